# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' tables of packages, services and paths, for systems that the lab has and has not.

What ansible-core calls each distribution is taken from its fact modules, the names of packages,
services and paths from the distributions' documentation. Packages of headers come from the facts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]

DEBIAN = {
    "device_group": "_chrony",
    "service": "chrony",
    "config": "/etc/chrony/chrony.conf",
    "dropin": "/etc/chrony/conf.d/cipu.conf",
}
REDHAT = {
    "device_group": "chrony",
    "service": "chronyd",
    "config": "/etc/chrony.conf",
    "dropin": "/etc/chrony.d/cipu.conf",
}
# distribution, os_family, kernel, package of its headers, meta package, table
SYSTEMS = [
    (
        "Debian",
        "Debian",
        "6.1.0-56-amd64",
        "linux-headers-6.1.0-56-amd64",
        "linux-headers-amd64",
        DEBIAN,
    ),
    ("Debian", "Debian", "6.9.0-custom", None, None, DEBIAN),
    (
        "Ubuntu",
        "Debian",
        "6.8.0-31-generic",
        "linux-headers-6.8.0-31-generic",
        "linux-headers-generic",
        DEBIAN,
    ),
    (
        "Rocky",
        "RedHat",
        "5.14.0-427.el9.x86_64",
        "kernel-devel-5.14.0-427.el9.x86_64",
        "kernel-devel",
        REDHAT,
    ),
    (
        "Alibaba",
        "RedHat",
        "5.10.134-16.al8.x86_64",
        "kernel-devel-5.10.134-16.al8.x86_64",
        "kernel-devel",
        REDHAT,
    ),
    (
        "Anolis",
        "Anolis",
        "5.10.134-17.an8.x86_64",
        "kernel-devel-5.10.134-17.an8.x86_64",
        "kernel-devel",
        REDHAT,
    ),
    (
        "Anolis OS",
        "Anolis OS",
        "5.10.134-18.an8.x86_64",
        "kernel-devel-5.10.134-18.an8.x86_64",
        "kernel-devel",
        REDHAT,
    ),
]


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """By kernel, and whether its headers are installed: what ansible-playbook evaluates."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "ansible_collections/cipu").mkdir(parents=True)
    (folder / "ansible_collections/cipu/clock").symlink_to(ROOT)
    hosts = {}
    for distribution, os_family, kernel, headers, meta, _table in SYSTEMS:
        for has_headers in (False, True):
            system = {"distribution": distribution, "os_family": os_family}
            system.update(kernel=kernel, has_headers=has_headers)
            system.update(headers_package=headers, headers_meta=meta)
            hosts[f"host{len(hosts)}"] = {"system": system, "ansible_connection": "local"}
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "--inventory", inventory),
            *("--extra-vars", json.dumps({"results": str(folder)})),
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


@pytest.mark.parametrize("system", SYSTEMS, ids=[system[2] for system in SYSTEMS])
def test_tables(values, system):
    _distribution, _os_family, kernel, headers, meta, table = system
    without, with_headers = values[kernel, False], values[kernel, True]
    assert without["driver_packages"] == [name for name in ("dkms", headers, meta) if name]
    # A kernel with headers needs no package for them (P20: not even a meta package).
    assert with_headers["driver_packages"] == [name for name in ("dkms", meta) if name]
    assert without["device_group"] == table["device_group"]
    assert without["chrony"] == {key: table[key] for key in ("config", "dropin", "service")}
    assert {"gcc", "make"} < set(without["probe_packages"])


def test_every_file_that_the_driver_writes_is_recorded():
    variables = yaml.safe_load((ROOT / "roles/driver/vars/main.yml").read_text())
    written = [item["path"] for item in variables["cipu_driver_files"]]
    assert variables["cipu_driver_recorded_files"] == written
