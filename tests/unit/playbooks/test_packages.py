# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver and clockprobe from .deb packages, by the real apt and dpkg of simulated hosts."""

import os
import re

import pytest

from . import debs
from .conftest import folder
from .fleet import Fleet

KERNEL = "6.1.0-40-amd64"
PROBE = "/usr/bin/clockprobe"
# A rollout takes several minutes on a busy machine.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    debs.require_dpkg()
    folder = tmp_path_factory.mktemp("debs")
    made = {version: debs.driver(folder, version) for version in ("0.1.0", "0.2.0")}
    made["probe"] = debs.clockprobe(folder)
    return made


def options(packages, version="0.2.0", **more):
    return {
        "cipu_driver_install_packages": False,
        "cipu_rollout_health_timeout_s": 0,
        "cipu_driver_method": "package",
        "cipu_probe_method": "package",
        "cipu_driver_version": version,
        "cipu_driver_package_file": str(packages[version]),
        "cipu_probe_package_file": str(packages["probe"]),
        **more,
    }


def installed(host):
    """Name and version of the packages that dpkg has."""
    words = "dpkg-query -W -f '${Package} ${Status} ${Version}\\n' ptp-cipu-dkms clockprobe"
    listed = re.findall(r"^(\S+) install ok installed (\S+)$", host.run(words), re.MULTILINE)
    return dict(listed)


@pytest.fixture(scope="module")
def first(simulation, packages):
    """A host after a rollout that installed version 0.1.0 from packages, to be copied."""
    with folder() as path:
        fleet = Fleet(path)
        host = fleet.add("a")
        done = fleet.play("rollout", **options(packages, "0.1.0"))
        assert done.rc == 0, done.text
        yield host


@pytest.fixture
def packaged(fleet, first):
    fleet.add("a").copy(first)
    return fleet, fleet.hosts["a"]


def test_packages_are_installed_kept_upgraded_and_removed(packaged, packages):
    fleet, host = packaged
    assert installed(host) == {"ptp-cipu-dkms": "0.1.0", "clockprobe": "0.2.0"}
    assert host.state()["loaded"] == "0.1.0"
    assert not host.path("/usr/local/bin/clockprobe").exists()

    done = fleet.play("rollout", **options(packages))
    assert done.rc == 0, done.text
    # A simulated host has no /sys/module, from which the version before is read.
    assert "0.2.0 now" in done.line
    assert installed(host)["ptp-cipu-dkms"] == "0.2.0"
    assert host.state()["loaded"] == "0.2.0"

    # The removal needs no variable that the rollout had.
    assert fleet.play("remove").rc == 0
    assert installed(host) == {}
    assert not host.path("/usr/src/ptp_cipu-0.2.0").exists()
    assert not host.path("/var/cache/cipu-clock").exists()
    assert (host.state()["dkms"], host.state()["loaded"]) == ({}, None)


def is_idle(fleet, given):
    """Whether a rollout ran no role. The simulated role chrony reports a change in each run."""
    done = fleet.play("rollout", **given)
    assert done.rc == 0, done.text
    return done.recap["a"]["changed"] == 0


def test_a_rollout_of_the_same_package_files_runs_no_role(packaged, packages, tmp_path):
    fleet, host = packaged
    assert is_idle(fleet, options(packages, "0.1.0"))

    # With another path the roles run once, and so they do with another file of the same version.
    rebuilt = debs.driver(tmp_path, "0.1.0")
    assert rebuilt.read_bytes() != packages["0.1.0"].read_bytes()
    given = options(packages, "0.1.0", cipu_driver_package_file=str(rebuilt))
    assert [is_idle(fleet, given) for _ in range(2)] == [False, True]
    rebuilt.write_bytes(packages["0.1.0"].read_bytes())
    assert [is_idle(fleet, given) for _ in range(2)] == [False, True]

    # A file of the installed package was changed.
    conf = host.path("/usr/src/ptp_cipu-0.1.0/dkms.conf")
    conf.write_text(conf.read_text() + "# changed\n")
    assert not is_idle(fleet, given)


def test_a_rollout_with_a_relative_package_file_runs_the_roles(packaged, packages):
    fleet, _host = packaged
    relative = os.path.relpath(packages["0.1.0"], fleet.collection / "playbooks")
    given = options(packages, "0.1.0", cipu_driver_package_file=relative)
    assert [is_idle(fleet, given) for _ in range(2)] == [False, False]


def test_the_package_comes_from_the_repositories_of_the_host(fleet, packages):
    host = fleet.add("a")
    # The lists of this machine, which may be of today, do not have the packages.
    debs.publish(host, packages.values())
    given = {"cipu_driver_package_file": ""}
    done = fleet.role("driver", **options(packages, "0.1.0", **given))
    assert done.rc == 0, done.text
    # The wanted version, not the newest.
    assert installed(host) == {"ptp-cipu-dkms": "0.1.0"}
    done = fleet.role("driver", **options(packages, "0.2.0", **given))
    assert done.rc == 0, done.text
    assert installed(host) == {"ptp-cipu-dkms": "0.2.0"}
    done = fleet.role("probe", **options(packages, cipu_probe_package_file=""))
    assert done.rc == 0, done.text
    assert installed(host)["clockprobe"] == "0.2.0"


@pytest.mark.parametrize("is_available", [True, False])
def test_an_unhealthy_upgrade_returns_to_the_former_package(packaged, packages, is_available):
    fleet, host = packaged
    host.write("/simulated/abnormal", "")
    if not is_available:
        host.path("/var/cache/cipu-clock/ptp-cipu-dkms_0.1.0_all.deb").unlink()
    done = fleet.play("rollout", **options(packages))
    assert done.rc == 2
    assert "The host was returned to its former state." in done.line
    assert host.state()["dkms"] == {KERNEL: "0.1.0"}
    assert host.state()["loaded"] == "0.1.0"
    assert host.path("/usr/src/ptp_cipu-0.1.0/dkms.conf").exists()
    assert not host.path("/usr/src/ptp_cipu-0.2.0").exists()
    # The former driver is installed and loaded before the package of the new one is removed.
    steps = [line.split(" {")[0] for line in host.log()]
    steps = steps[steps.index("package removes 0.1.0") :]
    restored = steps.index("dkms installed 0.1.0")
    assert steps.index("package installs 0.2.0") < restored
    assert steps[restored + 1] == "kernel_module loaded"
    assert steps.index("package removes 0.2.0") > restored + 1
    expected = {"clockprobe": "0.2.0"}
    if is_available:
        expected["ptp-cipu-dkms"] = "0.1.0"
    else:
        assert "The package ptp-cipu-dkms 0.1.0 is not available" in done.line
    assert installed(host) == expected


def test_an_older_driver_of_dkms_is_upgraded_by_the_package_and_restored(fleet, packages):
    conf = fleet.collection / "driver/dkms.conf"
    conf.write_text(conf.read_text().replace("0.2.0", "0.1.0"))
    host = fleet.add("a")
    former = {"cipu_driver_install_packages": False, "cipu_driver_version": "0.1.0"}
    assert fleet.play("rollout", **former).rc == 0
    host.write("/simulated/abnormal", "")
    package = options(packages, cipu_probe_method="copy", cipu_probe_package_file="")
    done = fleet.play("rollout", **package)
    assert done.rc == 2
    assert installed(host) == {}
    assert host.state()["loaded"] == "0.1.0"
    assert host.path("/usr/local/bin/clockprobe").exists()
    assert host.log()[-2:] == ["package removes 0.2.0", "dkms installed 0.1.0"]


@pytest.mark.parametrize(
    "method",
    [
        ("driver", "dkms", "/usr/src/ptp_cipu-0.2.0/dkms.conf", "ptp-cipu-dkms"),
        ("probe", "copy", "/usr/local/bin/clockprobe", "clockprobe"),
    ],
)
def test_a_switch_between_methods_is_refused(fleet, packages, method):
    role, other, copied, package = method
    given = options(packages)
    host = fleet.add("a")
    host.write(copied, "x")
    before = host.files()
    done = fleet.role(role, **given)
    assert done.rc == 2
    assert f"was installed without the package {package}: remove" in done.line
    assert f"set cipu_{role}_method to {other}. Nothing was changed." in done.line
    assert host.files() == before

    host.path(copied).unlink()
    host.write("/package.deb", "")
    host.path("/package.deb").write_bytes(
        packages["0.2.0" if role == "driver" else role].read_bytes()
    )
    host.run("dpkg --install /package.deb")
    before = host.files()
    done = fleet.role(role, **{**given, f"cipu_{role}_method": other})
    assert done.rc == 2
    assert f"of this host comes from the package {package} 0.2.0: remove" in done.line
    assert f"set cipu_{role}_method to package. Nothing was changed." in done.line
    assert host.files() == before


def test_a_refused_switch_in_a_rollout_keeps_what_the_other_method_installed(
    finished_fleet, packages
):
    host = finished_fleet.hosts["a"]
    done = finished_fleet.play("rollout", **options(packages))
    assert done.rc == 2
    assert "/usr/local/bin/clockprobe was installed without the package clockprobe" in done.line
    assert host.path("/usr/local/bin/clockprobe").exists()
    assert (host.state()["loaded"], installed(host)) == ("0.2.0", {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cipu_driver_version": "0.1.0"}, "0.2.0, not ptp-cipu-dkms 0.1.0: set"),
        ({"cipu_driver_package_file": "/etc/hostname"}, "contains no package of this system, not"),
        ({"cipu_driver_build": "once"}, "is built on each host: set cipu_driver_build to each"),
    ],
)  # fmt: skip
def test_an_unusable_package_changes_no_driver(fleet, packages, change, sentence):
    host = fleet.add("a")
    done = fleet.role("driver", **{**options(packages), **change})
    assert done.rc == 2
    assert sentence in done.line
    assert (installed(host), host.log()) == ({}, [])


def test_a_package_that_no_repository_has_is_reported_in_one_sentence(fleet, packages):
    host = fleet.add("a")
    debs.publish(host, [])
    given = {**options(packages), "cipu_driver_package_file": ""}
    done = fleet.role("driver", **given)
    assert done.rc == 2
    assert "ptp-cipu-dkms 0.2.0 cannot be installed from the repositories of the host:" in done.line
    assert "Make the package available, or set cipu_driver_package_file" in done.line
