# SPDX-License-Identifier: GPL-3.0-or-later
"""After a failed unpacking apt can install another time daemon again. Runs the real dpkg."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles/chrony"
SCRIPT = ROLE / "files/complete_dpkg.sh"
DAEMONS = ("chrony", "ntpsec", "systemd-timesyncd")
ENTRY = """Package: {name}
Status: {status}
Architecture: all
Maintainer: test <test@example.com>
Version: 1
Description: test

"""

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")


def states(root: Path, **packages: str) -> dict[str, str]:
    """The states of packages after the script, with these states before."""
    admin = root / "var/lib/dpkg"
    for folder in ("info", "updates", "triggers"):
        (admin / folder).mkdir(parents=True)
    (root / "var/log").mkdir()
    entries = [ENTRY.format(name=name, status=status) for name, status in packages.items()]
    (admin / "status").write_text("".join(entries))
    for name in packages:
        (admin / f"info/{name}.list").write_text("/.\n")
    (admin / "info/format").write_text("1\n")
    for folder in ("sbin", "bin"):
        (root / "usr" / folder).mkdir(parents=True)
    environment = {**os.environ, "DPKG_ROOT": str(root), "DPKG_FORCE": "not-root,script-chrootless"}
    done = subprocess.run(
        ["sh", SCRIPT, *DAEMONS], env=environment, capture_output=True, text=True, check=False
    )
    query = ["dpkg-query", "--root", root, "-W", "-f", "${Package} ${db:Status-Abbrev}\n"]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.split()[0]: line.split()[1] for line in shown.splitlines()}


@needs_dpkg
def test_a_package_whose_unpacking_failed_is_removed(tmp_path: Path) -> None:
    left = states(
        tmp_path,
        chrony="deinstall reinstreq half-installed",
        tzdata="install ok installed",
        ntpsec="install ok installed",
    )
    assert left == {"tzdata": "ii", "ntpsec": "ii"}


@needs_dpkg
def test_other_packages_are_not_removed(tmp_path: Path) -> None:
    left = states(
        tmp_path, tzdata="install reinstreq half-installed", chrony="install ok installed"
    )
    assert left == {"tzdata": "iHR", "chrony": "ii"}


@needs_dpkg
def test_an_unpacked_package_is_configured(tmp_path: Path) -> None:
    assert states(tmp_path, chrony="install ok unpacked") == {"chrony": "ii"}


@pytest.mark.parametrize("name", ["packages.yml", "reinstall.yml"])
def test_the_guard_is_on_the_disk_before_apt_replaces_a_daemon(name: str) -> None:
    """dpkg runs sync first: what was written seconds before is lost in a power cut otherwise."""
    tasks = flat(yaml.safe_load((ROLE / "tasks" / name).read_text()))
    modules = [key for task in tasks for key in task if key.startswith("ansible.builtin.")]
    assert "ansible.builtin.apt" in modules
    guarded = False
    for task in tasks:
        guarded = guarded or task.get("ansible.builtin.include_tasks") == "guard.yml"
        if "ansible.builtin.apt" in task:
            assert guarded
            assert "pre-invoke=sync" in task["ansible.builtin.apt"]["dpkg_options"].split(",")


def flat(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [inner for task in tasks for inner in [task, *flat(task.get("block", []))]]
