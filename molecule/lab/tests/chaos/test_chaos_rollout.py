# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that are recorded, triggered and killed, with small playbooks."""

import os
import sys
import time
from pathlib import Path

import pytest
from fleet.waiting import until
from trials import collection
from trials.rollout import Moment, Rollout, Step, Trigger, descendants

INVENTORY = "one ansible_connection=local ansible_python_interpreter={}\n"
PLAYBOOK = """
- hosts: one
  gather_facts: false
  handlers:
    - {name: Handle, ansible.builtin.command: "true"}
  tasks:
    - {name: Touch, ansible.builtin.file: {path: "{{ folder }}/a", state: touch}, notify: Handle}
    - {name: Touch, ansible.builtin.file: {path: "{{ folder }}", state: directory}}
    - {name: Delegate, ansible.builtin.command: "true", delegate_to: localhost}
    - {name: Need, ansible.builtin.command: "test ! -e {{ folder }}/fault"}
"""
WAITING = """
- hosts: one
  gather_facts: false
  tasks:
    - {name: Wait, ansible.builtin.command: "tail -f /dev/null {{ folder }}/marker"}
"""


@pytest.fixture
def playbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small playbook instead of the rollout."""
    path = tmp_path / "play.yml"
    path.write_text(PLAYBOOK, encoding="ascii")
    (tmp_path / "inventory").write_text(INVENTORY.format(sys.executable), encoding="ascii")
    (tmp_path / "limits.yml").write_text("{}", encoding="ascii")
    monkeypatch.setattr(collection, "ROLLOUT", str(path))
    monkeypatch.setattr(collection, "LIMITS", tmp_path / "limits.yml")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return path


def start(folder: Path, trigger: Trigger | None = None) -> Rollout:
    log = folder / "run.log"
    return Rollout("one", folder / "inventory", log, {"folder": str(folder)}, trigger)


def test_steps_are_recorded_with_what_they_change(playbook: Path, tmp_path: Path) -> None:
    with start(tmp_path) as run:
        assert run.wait(120)
    assert run.status == 0, run.log.read_text()
    assert run.steps() == [
        Step("Touch#1", "ansible.builtin.file", True, False),
        Step("Touch#2", "ansible.builtin.file", False, False),
        Step("Delegate#1", "ansible.builtin.command", True, True),
        Step("Need#1", "ansible.builtin.command", True, False),
        Step("Handle#1", "ansible.builtin.command", True, False),
    ]
    assert [step.name for step in run.steps() if step.writes] == ["Touch#1", "Need#1", "Handle#1"]
    assert run.triggered() is None
    assert run.reached == "Handle#1"


def test_a_trigger_runs_before_its_step(playbook: Path, tmp_path: Path) -> None:
    trigger = Trigger("Need#1", ["touch", str(tmp_path / "fault")])
    with start(tmp_path, trigger) as run:
        assert run.wait(120)
    assert run.status == 2
    assert run.triggered() == ""
    assert run.problem()
    with start(tmp_path, Trigger("Touch#2", ["ls", str(tmp_path / "none")])) as run:
        assert run.wait(120)
    assert "No such file" in (run.triggered() or "")


def test_a_killed_controller_leaves_no_process(playbook: Path, tmp_path: Path) -> None:
    playbook.write_text(WAITING, encoding="ascii")
    marker = os.fsencode(tmp_path / "marker")

    def waiting() -> list[Path]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if marker in path.read_bytes():
                    found.append(path)
            except OSError:
                continue
        return found

    with start(tmp_path) as run:
        until(lambda: waiting() or None, 120, "the task runs")
        assert not run.wait(0)
        assert len(descendants(run._process.pid)) > 1
        run.kill()
        assert run.status is not None
        assert run.status < 0
        until(lambda: not waiting(), 30, "all of it ended")
    assert run.reached == "Wait#1"
    assert run.steps() == []


def test_a_moment_is_reached_in_its_step_or_at_the_next_one(playbook: Path, tmp_path: Path) -> None:
    playbook.write_text(
        WAITING.replace("tasks:", "tasks:\n    - debug: {msg: a}"), encoding="ascii"
    )
    (tmp_path / "marker").touch()
    with start(tmp_path) as run:
        # The first step is over long before an hour.
        assert not run.reach(Moment("debug#1", 3600.0))
        assert run.reached == "Wait#1"
        assert not run.reach(Moment("Wait#1", 0.5))
        assert time.monotonic() >= dict(run.starts())["Wait#1"] + 0.5
        run.kill()
        assert run.reach(Moment("Later#1", 0.0))


@pytest.mark.parametrize(
    ("action", "changed", "delegated", "installs"),
    [
        ("ansible.builtin.apt", True, False, True),
        ("package", True, False, True),
        ("ansible.builtin.apt", False, False, False),
        ("ansible.builtin.apt", True, True, False),
        ("ansible.builtin.copy", True, False, False),
    ],
)
def test_steps_that_install(action: str, changed: bool, delegated: bool, installs: bool) -> None:
    assert Step("x#1", action, changed, delegated).installs is installs
