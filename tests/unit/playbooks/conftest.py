# SPDX-License-Identifier: GPL-3.0-or-later
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .fleet import Fleet

MOUNT = "mount -t overlay overlay -o lowerdir=/,upperdir={0}/u,workdir={0}/w {0}/m"
PROBE = MOUNT + " && readlink /proc/self/ns/pid"


def missing():
    """Why hosts cannot be simulated here; empty where they can."""
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


@pytest.fixture
def fleet(simulation):
    # Not below /: the layers of an overlay must not lie in one another.
    folder = tempfile.mkdtemp(prefix="cipu-fleet-", dir="/dev/shm")
    yield Fleet(folder)
    shutil.rmtree(folder)
