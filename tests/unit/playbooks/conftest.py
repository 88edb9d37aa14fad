# SPDX-License-Identifier: GPL-3.0-or-later
import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .fleet import Fleet

MOUNT = "mount -t overlay overlay -o lowerdir=/,upperdir={0}/u,workdir={0}/w {0}/m"
PROBE = MOUNT + " && readlink /proc/self/ns/pid"


def missing():
    """Why hosts cannot be simulated here; empty if they can."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for part in "uwm":
            (Path(folder) / part).mkdir()
        command = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            PROBE.format(folder),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"simulated hosts need root and an overlay of /: {done.stderr.strip()}"
    if done.stdout.strip() != "pid:[4026531836]":
        return "this is a container, in which every simulated host counts as one"
    return ""


@pytest.fixture(scope="session")
def simulation():
    problem = missing()
    if problem:
        pytest.skip(problem)


@contextlib.contextmanager
def folder():
    # Not below /, since the layers of an overlay must not contain each other.
    path = Path(tempfile.mkdtemp(prefix="cipu-fleet-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def fleet(simulation):
    with folder() as path:
        yield Fleet(path)


@pytest.fixture(scope="session")
def finished(simulation):
    """A host after its first rollout, to be copied."""
    with folder() as path:
        fleet = Fleet(path)
        host = fleet.add("a")
        done = fleet.play("rollout", cipu_driver_install_packages=False)
        assert done.rc == 0, done.text
        yield host


@pytest.fixture
def finished_fleet(fleet, finished):
    """A fleet of one host, "a", after its first rollout."""
    fleet.add("a").copy(finished)
    return fleet
