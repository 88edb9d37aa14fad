# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' tables of packages, services and paths, for systems that the lab has and has not.

What ansible-core tells of each distribution stands here as its fact modules were read; the names of
packages, services and paths as the distributions document them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.cipu.clock.plugins.filter.family import family

ROOT = Path(__file__).resolve().parents[3]

DEBIAN = {
    "headers_meta": "linux-headers-amd64",
    "device_group": "_chrony",
    "service": "chrony",
    "config": "/etc/chrony/chrony.conf",
    "dropin": "/etc/chrony/conf.d/cipu.conf",
}
REDHAT = {
    "headers_meta": "kernel-devel",
    "device_group": "chrony",
    "service": "chronyd",
    "config": "/etc/chrony.conf",
    "dropin": "/etc/chrony.d/cipu.conf",
}
# distribution, os_family, kernel, package of its headers, the rest
SYSTEMS = [
    ("Debian", "Debian", "5.10.0-32-amd64", "linux-headers-5.10.0-32-amd64", DEBIAN),
    (
        "Debian",
        "Debian",
        "6.1.0-56-cloud-amd64",
        "linux-headers-6.1.0-56-cloud-amd64",
        dict(DEBIAN, headers_meta="linux-headers-cloud-amd64"),
    ),
    ("Debian", "Debian", "6.12.95+deb13-amd64", "linux-headers-6.12.95+deb13-amd64", DEBIAN),
    (
        "Ubuntu",
        "Debian",
        "6.8.0-31-generic",
        "linux-headers-6.8.0-31-generic",
        dict(DEBIAN, headers_meta="linux-headers-generic"),
    ),
    (
        "RedHat",
        "RedHat",
        "4.18.0-553.el8_10.x86_64",
        "kernel-devel-4.18.0-553.el8_10.x86_64",
        REDHAT,
    ),
    (
        "Rocky",
        "RedHat",
        "5.14.0-427.el9.x86_64",
        "kernel-devel-5.14.0-427.el9.x86_64",
        REDHAT,
    ),
    (
        "AlmaLinux",
        "RedHat",
        "6.12.0-55.el10.x86_64",
        "kernel-devel-6.12.0-55.el10.x86_64",
        REDHAT,
    ),
    (
        "Alibaba",
        "RedHat",
        "5.10.134-16.al8.x86_64",
        "kernel-devel-5.10.134-16.al8.x86_64",
        REDHAT,
    ),
    (
        "Anolis",
        "Anolis",
        "5.10.134-17.an8.x86_64",
        "kernel-devel-5.10.134-17.an8.x86_64",
        REDHAT,
    ),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """By kernel, and whether its headers are there: what ansible-playbook makes of the tables."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "ansible_collections/cipu").mkdir(parents=True)
    (folder / "ansible_collections/cipu/clock").symlink_to(ROOT)
    hosts = {}
    for distribution, os_family, kernel, _headers, _table in SYSTEMS:
        for has_headers in (False, True):
            system = {"distribution": distribution, "os_family": os_family}
            system.update(kernel=kernel, has_headers=has_headers)
            hosts[f"host{len(hosts)}"] = {"system": system, "ansible_connection": "local"}
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "--inventory", inventory),
            *("--extra-vars", json.dumps({"told": str(folder)})),
            *("--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable})),
            Path(__file__).with_name("tables.yml"),
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tables = {}
    for name, host in hosts.items():
        key = (host["system"]["kernel"], host["system"]["has_headers"])
        tables[key] = json.loads((folder / f"{name}.json").read_text())
    return tables


@pytest.mark.parametrize(("_distribution", "_os_family", "kernel", "headers", "table"), SYSTEMS)
def test_tables(told, _distribution, _os_family, kernel, headers, table):
    without, with_headers = told[kernel, False], told[kernel, True]
    assert without["driver_packages"] == ["dkms", headers, table["headers_meta"]]
    assert with_headers["driver_packages"] == ["dkms", table["headers_meta"]]
    assert without["device_group"] == table["device_group"]
    assert without["chrony"] == {key: table[key] for key in ("config", "dropin", "service")}
    assert {"gcc", "make"} < set(without["probe_packages"])


def test_an_unknown_family_stays_what_it_is():
    assert family({"distribution": "Gentoo", "os_family": "Gentoo"}) == "Gentoo"
