# SPDX-License-Identifier: GPL-3.0-or-later
"""Role defaults are validated before a role runs its first task, when no facts have been read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


@pytest.mark.parametrize("role", ROLES)
def test_the_arguments_of_a_role_are_valid_on_a_host_without_facts(tmp_path, role):
    task = {"include_role": {"name": f"cipu.clock.{role}"}}
    # The role's own tasks are not wanted: a tag that none of them has leaves the validation alone.
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{**task, "tags": ["always"]}]}]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(play))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local"]
    done = subprocess.run(
        [*command, "--tags", "none", str(path)], capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    assert "Validating arguments" in text
    assert done.returncode == 0, text
