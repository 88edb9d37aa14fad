# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of progress of tasks that take long."""

import threading
from unittest import mock

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible_collections.cipu.clock.plugins.action import chrony_refclock, dkms
from ansible_collections.cipu.clock.plugins.plugin_utils import progress

from .acting import run_action

LIMIT_S = 20


class Screen:
    """Collects the lines, and lets a test wait for them."""

    def __init__(self, lines):
        self.lines = []
        self.expected = lines
        self.complete = threading.Event()

    def display(self, line):
        self.lines.append(line)
        if len(self.lines) >= self.expected:
            self.complete.set()


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(progress, "FIRST_S", 0.01)
    monkeypatch.setattr(progress, "EVERY_S", 0.01)


def test_a_task_that_is_done_soon_prints_nothing(monkeypatch):
    screen = Screen(1)
    monkeypatch.setattr(progress, "display", screen)
    with progress.Progress("db1", "building ptp_cipu"):
        pass
    assert screen.lines == []


def test_a_long_task_prints_lines_until_it_ends(monkeypatch, fast):
    screen = Screen(3)
    monkeypatch.setattr(progress, "display", screen)
    with progress.Progress("db1", "wait") as running:
        running.status = "chrony has selected no source."
        assert screen.complete.wait(LIMIT_S)
    count = len(screen.lines)
    assert screen.lines[-1] == "... db1: wait, 0 s: chrony has selected no source."
    assert not running._thread.is_alive()
    assert len(screen.lines) == count


def test_a_task_that_fails_ends_its_lines(monkeypatch, fast):
    monkeypatch.setattr(progress, "display", Screen(1))
    with pytest.raises(ValueError, match="broken"), progress.Progress("db1", "wait") as running:
        raise ValueError("broken")
    assert not running._thread.is_alive()


def test_texts_of_a_host_are_printable_and_bounded():
    running = progress.Progress("db1\x1b[31m", "wait")
    running.status = "\x1b]0;evil\x07" * 1000
    line = running.line(45.4)
    assert line.startswith("... db1\\x1b[31m: wait, 45 s: \\x1b]0;evil\\x07")
    assert line.isprintable() and len(line) <= progress.LINE_LIMIT


@pytest.mark.parametrize(
    ("plugin", "arguments", "line"),
    [
        (
            dkms,
            {"name": "ptp_cipu", "version": "0.2.0"},
            "... db1: building ptp_cipu 0.2.0 with DKMS, 0 s",
        ),
        (
            dkms,
            {"name": "ptp_cipu", "version": "0.2.0", "tarball": ["/x"]},
            "... db1: installing ptp_cipu 0.2.0 from a DKMS archive, 0 s",
        ),
        (
            dkms,
            {"name": "ptp_cipu", "state": "absent"},
            "... db1: removing ptp_cipu from DKMS, 0 s",
        ),
        (
            chrony_refclock,
            {"selects": "CIPU", "timeout_s": 60},
            "... db1: waiting for chronyd to select CIPU, 0 of at most 60 s",
        ),
        (chrony_refclock, {}, "... db1: configuring chronyd, 0 s"),
    ],
)
def test_the_module_runs_once_and_its_result_is_unchanged(
    monkeypatch, fast, plugin, arguments, line
):
    screen = Screen(1)
    monkeypatch.setattr(progress, "display", screen)

    def module(*_arguments, **_options):
        assert screen.complete.wait(LIMIT_S)
        return {"changed": True, "actions": ["dkms build"]}

    with mock.patch.object(plugin.ActionModule, "_execute_module", side_effect=module) as ran:
        result = run_action(
            plugin.ActionModule, plugin.__name__, arguments, {"inventory_hostname": "db1"}
        )
    assert ran.call_count == 1
    assert result == {"changed": True, "actions": ["dkms build"]}
    assert screen.lines[0] == line
