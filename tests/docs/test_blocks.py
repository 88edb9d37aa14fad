# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that the documentation shows run: those that need no host, with the built archive."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from pages import ALL, KINDS, ROOT, Block, readme_inventory

LIMIT_S = 60
RUN = [block for block in ALL if block.kind in ("local", "checkout")]
# One command may be on several pages, and once with --check and once without.
PLAYBOOKS = sorted(
    {
        re.sub(r" --(check|diff)\b| +#.*", "", command)
        for block in ALL
        if block.kind == "syntax"
        for command in block.commands
        if command.startswith("ansible-playbook")
    }
)


class Workspace(NamedTuple):
    folder: Path
    variables: dict[str, str]

    def run(self, command: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder or self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home in which the built archive is installed, and beside it the README's inventory."""
    folder = tmp_path_factory.mktemp("docs")
    (home := folder / "home").mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANSIBLE_") and name != "CIPU_CACHE"
    }
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    variables = {**kept, "PATH": path, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    made = Workspace(folder, variables)
    built = subprocess.run(
        [sys.executable, ROOT / "tests/artifact"],
        env={**variables, "CIPU_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (archive,) = (folder / "cache/artifact").glob("*.tar.gz")
    shutil.copy(archive, folder)
    (folder / "inventory.ini").write_text(readme_inventory())
    made.run(f"ansible-galaxy collection install --offline {archive.name}")
    assert (home / ".ansible/collections/ansible_collections/cipu/clock/MANIFEST.json").exists()
    return made


def test_marks_have_a_known_kind() -> None:
    assert [block.name for block in ALL if block.kind not in (None, *KINDS)] == []


def test_every_playbook_command_is_marked() -> None:
    shown = [
        block.name
        for block in ALL
        if block.kind is None
        and any(
            " cipu.clock." in one and one.startswith("ansible-playbook") for one in block.commands
        )
    ]
    assert shown == []


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.name)
def test_a_block_runs(workspace: Workspace, block: Block) -> None:
    assert block.commands
    for command in block.commands:
        workspace.run(command, ROOT if block.kind == "checkout" else None)


@pytest.mark.parametrize("command", PLAYBOOKS)
def test_a_playbook_command_is_correct(workspace: Workspace, command: str) -> None:
    assert "playbook: " in workspace.run(f"{command} --syntax-check")


def test_the_upgrading_guide_finds_old_names_only(workspace: Workspace, tmp_path: Path) -> None:
    (command,) = (
        one for block in ALL for one in block.commands if one.startswith("grep -rnE '\\b(driver|")
    )
    for folder in ("group_vars", "host_vars"):
        (tmp_path / folder).mkdir()
    (tmp_path / "inventory.ini").write_text(
        "[all:vars]\nchrony_servers=['a']\ncipu_chrony_servers=[]\n"
    )
    (tmp_path / "group_vars/all.yml").write_text("rollout_serial: 1\ncipu_rollout_batches: [1]\n")
    (tmp_path / "host_vars/db1.yml").write_text("clock_health_thresholds: {}\nmy_driver_x: 1\n")
    found = workspace.run(command, tmp_path).splitlines()
    assert [line.split(":")[2] for line in found] == [
        "chrony_servers=['a']",
        "rollout_serial",
        "clock_health_thresholds",
    ]
