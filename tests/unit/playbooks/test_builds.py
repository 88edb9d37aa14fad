# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built once: keyed by all that decides about it, and never taken when it is corrupt."""

import pytest

OPTIONS = {"cipu_driver_install_packages": False, "cipu_driver_build": "once"}
ARCHIVE = "ptp_cipu-0.1.0-6.1.0-40-amd64-x86_64.dkms.tar.gz"


def test_another_source_of_clockprobe_is_another_build(fleet):
    """P12: the version is the same."""
    host = fleet.add("a")
    assert fleet.play("rollout", cipu_driver_install_packages=False).rc == 0
    (fleet.collection / "native/src/main.c").write_text("clockprobe, second source\n")
    assert fleet.play("rollout", cipu_driver_install_packages=False).rc == 0
    assert host.path("/usr/local/bin/clockprobe").read_text() == "clockprobe, second source\n"


@pytest.fixture
def kinds(fleet):
    """Two hosts each of two releases that share a kernel."""
    for name in ("a12", "b12"):
        fleet.add(name)
    for name in ("c13", "d13"):
        release = 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\n'
        fleet.add(name).write("/etc/os-release", release)
    return fleet


def test_kinds_that_share_a_kernel_get_their_own_archives(kinds):
    """P13."""
    done = kinds.play("rollout", cipu_rollout_batches=4, **OPTIONS)
    assert done.rc == 0, done.text
    for name in ("a12", "c13"):
        assert "built_by" not in kinds.hosts[name].state()
    assert 'VERSION_ID="12"' in kinds.hosts["b12"].state()["built_by"]
    assert 'VERSION_ID="13"' in kinds.hosts["d13"].state()["built_by"]
    archives = list((kinds.folder / "cache/driver").rglob(ARCHIVE))
    assert len(archives) == 2


def test_a_corrupt_archive_is_refused_and_nothing_is_built(kinds):
    assert kinds.play("rollout", "--limit", "a12", **OPTIONS).rc == 0
    (archive,) = (kinds.folder / "cache/driver").rglob(ARCHIVE)
    archive.write_text("not what was built")
    done = kinds.play("rollout", "--limit", "b12", **OPTIONS)
    assert done.rc == 2
    assert f"{ARCHIVE} is corrupt: its checksum is not that of the build. Remove" in done.line
    assert "dkms installed 0.1.0" not in kinds.hosts["b12"].log()


def test_an_archive_that_was_not_fetched_completely_is_built_again(kinds):
    assert kinds.play("rollout", "--limit", "a12", **OPTIONS).rc == 0
    (archive,) = (kinds.folder / "cache/driver").rglob(ARCHIVE)
    archive.write_text("half of")
    archive.with_name(archive.name + ".sha256").unlink()
    assert kinds.play("rollout", "--limit", "b12", **OPTIONS).rc == 0
    assert "built_by" not in kinds.hosts["b12"].state()
