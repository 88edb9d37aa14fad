# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing packages while unattended-upgrades has the lock, and on hosts with needrestart.

apt, dpkg and the hooks of needrestart are the real ones, with a repository of one small package.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from .fleet import core216

PACKAGE = "cipu-test-package"
CONTROL = f"""Package: {PACKAGE}
Version: 1.0
Architecture: all
Maintainer: A test <test@example.org>
Description: nothing
"""
LOCK = "/var/lib/dpkg/lock-frontend"

pytestmark = [
    # apt reads the lists of all packages of this machine, several times.
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed"),
    pytest.mark.skipif(not Path("/usr/bin/apt-get").exists(), reason="this is no Debian"),
]


def make_repository(folder):
    """A repository for apt, without signatures."""
    control = folder / PACKAGE / "DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(CONTROL)
    deb = folder / f"{PACKAGE}.deb"
    build = ["dpkg-deb", "--build", "--root-owner-group", str(control.parent.parent), str(deb)]
    subprocess.run(build, check=True, capture_output=True)
    entry = f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\n"
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    (folder / "Packages").write_text(f"{CONTROL}{entry}SHA256: {digest}\n")


@pytest.fixture
def apt_host(fleet):
    """A host that gets DKMS from a repository on its own disk."""
    host = fleet.add("a")
    host.variables["ansible_python_interpreter"] = "/usr/bin/python3"
    for path in Path("/etc/apt/sources.list.d").glob("*"):
        host.hide(str(path))
    make_repository(host.path("/srv/repository"))
    host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
    return host


def roll_out(fleet, **variables):
    packages = {"cipu_driver_packages": [PACKAGE], "cipu_driver_apt_cache_valid_time_s": 1}
    return fleet.role("driver", **packages, **variables)


@contextlib.contextmanager
def locked(host):
    """Keep dpkg's lock on the host; yields a function that releases it."""
    # sim/enter mounts this file in place of the host's.
    with (host.root / "lock-frontend").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield lambda: fcntl.lockf(lock, fcntl.LOCK_UN)


def release_after_the_first_try(log, release, finished):
    while not finished.wait(0.5):
        if log.exists() and "FAILED - RETRYING" in log.read_text():
            release()
            return


@pytest.mark.parametrize("core", ["newest", "2.16"])
def test_the_installation_waits_for_unattended_upgrades(fleet, apt_host, core):
    if core == "2.16":
        fleet.python = core216()
        if fleet.python is None:
            pytest.skip("ansible-core 2.16 is not installed: tests/unit/targets installs it")
    log = fleet.folder / "ansible.log"
    fleet.environment["ANSIBLE_LOG_PATH"] = str(log)
    finished = threading.Event()
    with locked(apt_host) as release:
        watcher = threading.Thread(
            target=release_after_the_first_try, args=(log, release, finished)
        )
        watcher.start()
        done = roll_out(fleet)
        finished.set()
        watcher.join()
    assert "FAILED - RETRYING: [a]: Install DKMS" in done.text
    assert done.rc == 0, done.text
    assert PACKAGE in apt_host.path("/var/lib/dpkg/status").read_text()


def test_the_wait_for_the_lock_ends_and_names_the_lock(fleet, apt_host):
    with locked(apt_host):
        done = roll_out(fleet, cipu_driver_package_lock_timeout_s=10)
    assert done.rc != 0
    assert "cannot be installed" in done.line
    # apt names the process too, which is this one.
    assert f"Could not get lock {LOCK}. It is held by process {os.getpid()}" in done.line, done.text


@pytest.fixture(scope="session")
def needrestart(tmp_path_factory):
    """The files of Debian's needrestart."""
    folder = tmp_path_factory.mktemp("needrestart")
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "needrestart"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needrestart cannot be fetched: {done.stderr.strip()}")
    (deb,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(deb), str(folder / "files")], check=True)
    return folder / "files"


@pytest.fixture
def restarts(apt_host, needrestart):
    """Its hooks for apt and dpkg on the host; the program only records that it was called."""
    for name in ("etc/apt/apt.conf.d", "etc/dpkg/dpkg.cfg.d", "usr/lib/needrestart"):
        shutil.copytree(needrestart / name, apt_host.path(name), dirs_exist_ok=True)
    apt_host.write("/usr/sbin/needrestart", "#!/bin/sh\necho called >>/simulated/restarts\n")
    apt_host.path("/usr/sbin/needrestart").chmod(0o755)
    return apt_host.path("/simulated/restarts")


def test_needrestart_does_not_restart_services_during_a_rollout(fleet, apt_host, restarts):
    done = roll_out(fleet)
    assert done.rc == 0, done.text
    assert PACKAGE in apt_host.path("/var/lib/dpkg/status").read_text()
    assert not restarts.exists()
    # The operator's own next installation calls it, so the hooks work.
    again = f"apt-get install --reinstall --yes {PACKAGE}"
    enter = [str(Path(__file__).with_name("sim") / "enter"), str(apt_host.root), again]
    subprocess.run(enter, check=True, capture_output=True)
    assert restarts.read_text() == "called\n"
