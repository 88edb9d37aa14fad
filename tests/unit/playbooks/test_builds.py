# SPDX-License-Identifier: GPL-3.0-or-later
"""Cached builds: the key covers all inputs of a build, and corrupt builds are not used."""

import pytest

OPTIONS = {"cipu_driver_install_packages": False, "cipu_driver_build": "once"}
NO_PACKAGES = {"cipu_probe_install_packages": False}
ARCHIVE = "ptp_cipu-0.2.0-6.1.0-40-amd64-x86_64.dkms.tar.gz"


def test_another_source_of_clockprobe_is_another_build(finished_fleet):
    """P12: the version is the same."""
    host = finished_fleet.hosts["a"]
    (finished_fleet.collection / "native/src/main.c").write_text("clockprobe, second source\n")
    assert finished_fleet.play("rollout", cipu_driver_install_packages=False).rc == 0
    assert host.path("/usr/local/bin/clockprobe").read_text() == "clockprobe, second source\n"


@pytest.fixture
def architectures(fleet):
    """Three hosts that differ in their architecture alone; the controller's is the second one's."""
    for name, machine in (("a-arm", "aarch64"), ("b-amd", "x86_64"), ("c-arm", "aarch64")):
        fleet.add(name).architecture(machine)
    return fleet


def clockprobe(host):
    return host.path("/usr/local/bin/clockprobe").read_text()


def test_each_architecture_gets_clockprobe_and_driver_of_its_own(architectures):
    hosts = architectures.hosts
    done = architectures.play("rollout", cipu_rollout_batches=3, **OPTIONS)
    assert done.rc == 0, done.text
    for name in ("a-arm", "c-arm"):
        assert clockprobe(hosts[name]) == "clockprobe, first source\nfor arm64\n"
        assert not hosts[name].path("/usr/local/src/clockprobe").exists()
    assert clockprobe(hosts["b-amd"]) == "clockprobe, first source\n"
    builders = [name for name in hosts if "built_by" not in hosts[name].state()]
    assert sorted(builders) in (["a-arm", "b-amd"], ["b-amd", "c-arm"])
    (archived,) = set(hosts) - set(builders)
    assert hosts[archived].state()["built_by"].endswith("aarch64")
    archives = sorted((architectures.folder / "cache/driver").rglob("*.dkms.tar.gz"))
    assert [path.read_text().rpartition("\n")[2] for path in archives] == ["aarch64", "x86_64"]
    assert len({path.parent for path in archives}) == 2


NO_CROSS = "static-arm64 needs a cross compiler: apt-get install it"


@pytest.fixture
def no_cross(architectures):
    (architectures.collection / "native/src/no_cross").write_text(NO_CROSS + "\n")
    return architectures


def test_a_host_builds_clockprobe_for_which_the_controller_has_no_compiler(no_cross):
    done = no_cross.play("rollout", cipu_rollout_batches=3, **NO_PACKAGES, **OPTIONS)
    assert done.rc == 0, done.text
    reason = f"cannot build clockprobe for aarch64, so this host builds it: {NO_CROSS}."
    assert done.line.count(reason) == 2
    for name, host in no_cross.hosts.items():
        assert clockprobe(host) == "clockprobe, first source\n"
        assert host.path("/usr/local/src/clockprobe").exists() == name.endswith("arm")


def test_a_missing_cross_compiler_is_one_clear_sentence(no_cross):
    done = no_cross.play(
        "rollout", cipu_rollout_batches=3, cipu_probe_build="controller", **OPTIONS
    )
    assert done.rc != 0
    sentence = f"The controller cannot build clockprobe for aarch64: {NO_CROSS}. Install what is"
    assert sentence in done.line
    failed = sorted(name for name, counts in done.recap.items() if counts["failed"])
    assert failed == ["a-arm", "c-arm"]
    assert clockprobe(no_cross.hosts["b-amd"]) == "clockprobe, first source\n"
    assert not no_cross.hosts["a-arm"].path("/usr/local/bin/clockprobe").exists()


@pytest.fixture
def kinds(fleet):
    """Two hosts of one release and one of another, which share a kernel."""
    for name in ("a12", "b12"):
        fleet.add(name)
    release = 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\n'
    other = fleet.add("c13")
    other.write("/etc/os-release", release)
    other.write("/etc/debian_version", "13.1\n")
    return fleet


def test_kinds_that_share_a_kernel_and_archives_that_are_corrupt(kinds):
    """P13."""
    done = kinds.play("rollout", cipu_rollout_batches=3, **OPTIONS)
    assert done.rc == 0, done.text
    for name in ("a12", "c13"):
        assert "built_by" not in kinds.hosts[name].state()
    assert 'VERSION_ID="12"' in kinds.hosts["b12"].state()["built_by"]
    archives = {path.read_text(): path for path in (kinds.folder / "cache/driver").rglob(ARCHIVE)}
    assert len(archives) == 2

    (archive,) = (path for text, path in archives.items() if 'VERSION_ID="12"' in text)
    archive.write_text("not what was built")
    host = kinds.add("d12")
    done = kinds.play("rollout", "--limit", "d12", **OPTIONS)
    assert done.rc == 2
    assert f"{ARCHIVE} is corrupt: its checksum is not that of the build. Remove" in done.line
    assert "dkms installed 0.2.0" not in host.log()

    # An archive without a checksum was not fetched completely, so it is built again.
    archive.with_name(archive.name + ".sha256").unlink()
    assert kinds.play("rollout", "--limit", "d12", **OPTIONS).rc == 0
    assert "built_by" not in host.state()
    assert 'VERSION_ID="12"' in archive.read_text()


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_a_long_build_prints_lines_of_progress(fleet, check):
    """With any strategy. In check mode nothing is built, and the module still runs as before."""
    fleet.environment["ANSIBLE_STRATEGY"] = "free"
    path = fleet.collection / "plugins/plugin_utils/progress.py"
    path.write_text(path.read_text().replace("FIRST_S = 20.0", "FIRST_S = 0.05"))
    for name in ("a", "b"):
        fleet.add(name)
    options = {"cipu_driver_install_packages": False, "cipu_driver_build": "each"}
    done = fleet.role("driver", *(["--check"] if check else []), **options)
    assert done.rc == 0, done.text
    for name in ("a", "b"):
        assert f"... {name}: building ptp_cipu 0.2.0 with DKMS, " in done.text
        assert ("dkms installed 0.2.0" in fleet.hosts[name].log()) is not check
