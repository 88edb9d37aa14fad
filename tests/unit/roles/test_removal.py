# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing the role monitor keeps the files of the role chrony, which are in the same folders."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
MONITOR = ROOT / "roles/monitor"
OF_CHRONY = (
    "/etc/cipu-clock/refclocks.conf",
    "/usr/local/lib/cipu-clock/chrony-refclock",
    "/usr/local/lib/cipu-clock/time-guard",
)


def removed(tmp_path: Path) -> list[str]:
    """The paths that the role removes on a Debian host, as Ansible evaluates them."""
    tasks = yaml.safe_load((MONITOR / "tasks/absent.yml").read_text())
    (loop,) = (task["loop"] for task in tasks if task.get("ansible.builtin.file"))
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(MONITOR / "defaults/main.yml"), str(MONITOR / "vars/main.yml")],
        "tasks": [
            {"set_fact": {"os_family": "Debian", "distribution": "Debian", "cacheable": True}},
            {
                "copy": {"content": "{{ paths | to_json }}", "dest": str(tmp_path / "paths")},
                "vars": {"paths": loop},
            },
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        str(tmp_path / "play.yml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    paths: list[str] = json.loads((tmp_path / "paths").read_text())
    return paths


def test_files_of_chrony_stay(tmp_path: Path) -> None:
    paths = removed(tmp_path)
    assert "/etc/cipu-clock/thresholds.json" in paths
    for kept in OF_CHRONY:
        assert [path for path in paths if kept == path or kept.startswith(path + "/")] == []
