# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver and clockprobe from .deb packages, by the real apt and dpkg of simulated hosts."""

import re

import pytest

from . import debs

LINES = {"a": "6.1.0-40-amd64"}
PROBE = "/usr/bin/clockprobe"


@pytest.fixture
def packages(tmp_path):
    debs.require_dpkg()
    made = {version: debs.driver(tmp_path, version) for version in ("0.1.0", "0.2.0")}
    made["probe"] = debs.clockprobe(tmp_path)
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
    listed = host.run("dpkg-query -W -f '${Package} ${Status} ${Version}\\n' ptp-cipu-dkms clockprobe")
    return dict(re.findall(r"^(\S+) install ok installed (\S+)$", listed, re.MULTILINE))


@pytest.fixture
def packaged(fleet, packages):
    """A host on which a rollout installed version 0.1.0 from packages."""
    host = fleet.add("a")
    done = fleet.play("rollout", **options(packages, "0.1.0"))
    assert done.rc == 0, done.text
    return fleet, host


def test_packages_are_installed_kept_upgraded_and_removed(packaged, packages):
    fleet, host = packaged
    assert installed(host) == {"ptp-cipu-dkms": "0.1.0", "clockprobe": "0.2.0"}
    assert host.state()["loaded"] == "0.1.0"
    assert not host.path("/usr/local/bin/clockprobe").exists()

    again = fleet.play("rollout", **options(packages, "0.1.0"))
    assert (again.rc, again.recap["a"]["changed"]) == (0, 0), again.text

    done = fleet.play("rollout", **options(packages))
    assert done.rc == 0, done.text
    assert "driver 0.1.0 before, 0.2.0 now" in done.line
    assert installed(host)["ptp-cipu-dkms"] == "0.2.0"
    assert host.state()["loaded"] == "0.2.0"

    # The inventory of the removal need not say how the host was set up.
    assert fleet.play("remove").rc == 0
    assert installed(host) == {}
    assert not host.path("/usr/src/ptp_cipu-0.2.0").exists()
    assert not host.path("/var/cache/cipu-clock").exists()
    assert (host.state()["dkms"], host.state()["loaded"]) == ({}, None)


def test_packages_come_from_the_repositories_of_the_host(fleet, packages):
    host = fleet.add("a")
    debs.publish(host, packages.values())
    names = {"cipu_driver_package_file": "", "cipu_probe_package_file": ""}
    lists = {"cipu_driver_apt_cache_valid_time_s": 0, "cipu_probe_apt_cache_valid_time_s": 0}
    asked = fleet.play("rollout", "--check", **options(packages, "0.1.0", **names, **lists))
    assert asked.rc == 0, asked.text
    assert installed(host) == {}
    done = fleet.play("rollout", **options(packages, "0.1.0", **names, **lists))
    assert done.rc == 0, done.text
    # The wanted version, not the newest.
    assert installed(host) == {"ptp-cipu-dkms": "0.1.0", "clockprobe": "0.2.0"}

    done = fleet.play("rollout", **options(packages, "0.2.0", **names))
    assert done.rc == 0, done.text
    assert installed(host)["ptp-cipu-dkms"] == "0.2.0"
    again = fleet.play("rollout", **options(packages, "0.2.0", **names))
    assert (again.rc, again.recap["a"]["changed"]) == (0, 0), again.text


def steps(host):
    return [line.split(" {")[0] for line in host.log()]


@pytest.mark.parametrize("is_available", [True, False])
def test_an_unhealthy_upgrade_returns_to_the_former_package(packaged, packages, is_available):
    fleet, host = packaged
    host.write("/simulated/abnormal", "")
    if not is_available:
        host.path("/var/cache/cipu-clock/ptp-cipu-dkms_0.1.0_all.deb").unlink()
    done = fleet.play("rollout", **options(packages))
    assert done.rc == 2
    assert "The host was returned to its former state." in done.line
    assert host.state()["dkms"] == {LINES["a"]: "0.1.0"}
    assert host.state()["loaded"] == "0.1.0"
    assert host.path("/usr/src/ptp_cipu-0.1.0/dkms.conf").exists()
    assert not host.path("/usr/src/ptp_cipu-0.2.0").exists()
    # The former driver is installed and loaded before the package of the new one is removed.
    order = ["package removes 0.1.0", "package installs 0.2.0", "dkms installed 0.1.0"]
    order += ["kernel_module loaded", "package removes 0.2.0"]
    found = [line for line in steps(host) if line in order]
    last = [line for line in found[found.index("package removes 0.1.0") :]]
    assert [line for n, line in enumerate(last) if line not in last[:n]] == [
        *order[:2], "kernel_module loaded", "dkms installed 0.1.0", "package removes 0.2.0",
    ]  # fmt: skip
    expected = {"clockprobe": "0.2.0"}
    if is_available:
        expected["ptp-cipu-dkms"] = "0.1.0"
    else:
        assert "The package ptp-cipu-dkms 0.1.0 is not available" in done.line
    assert installed(host) == expected


def test_a_failed_first_rollout_removes_the_packages(fleet, packages):
    host = fleet.add("a")
    host.write("/simulated/abnormal", "")
    done = fleet.play("rollout", **options(packages))
    assert done.rc == 2
    assert "The host was returned to its former state." in done.line
    assert installed(host) == {}
    assert not host.path(PROBE).exists() or host.path(PROBE).is_char_device()


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
    assert steps(host)[-1] == "package removes 0.2.0"


@pytest.mark.parametrize("role", ["driver", "probe"])
def test_a_switch_between_methods_is_refused_in_one_sentence(fleet, packages, role):
    host = fleet.add("a")
    other = {"driver": "dkms", "probe": "copy"}[role]
    given = options(packages)
    without = {**given, f"cipu_{role}_method": other, f"cipu_{role}_package_file": ""}
    assert fleet.role(role, **without).rc == 0
    before = host.files()
    done = fleet.role(role, **given)
    assert done.rc == 2
    assert f"was installed without the package {'ptp-cipu-dkms' if role == 'driver' else PROBE[9:]}: remove" in done.line
    assert f"set cipu_{role}_method to {other}. Nothing was changed." in done.line
    assert host.files() == before

    assert fleet.role(role, **{**given, f"cipu_{role}_state": "absent"}).rc == 0
    done = fleet.role(role, **given)
    assert done.rc == 0, done.text
    before = host.files()
    done = fleet.role(role, **without)
    assert done.rc == 2
    assert "of this host comes from the package" in done.line
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
        ({"cipu_driver_version": "0.1.0"}, "contains ptp-cipu-dkms 0.2.0, not ptp-cipu-dkms 0.1.0: set"),
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
