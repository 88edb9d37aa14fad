# SPDX-License-Identifier: GPL-3.0-or-later
"""health_gate: one check, or checks until the host is healthy or the time is over."""

import threading
from unittest import mock

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible_collections.cipu.clock.plugins.action import health_gate
from ansible_collections.cipu.clock.plugins.plugin_utils import progress

from .acting import made


class Clock:
    """A monotonic clock that advances only during waits."""

    def __init__(self):
        self.now_s = 1000.0
        self.waits_s = []

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.waits_s.append(seconds)
        self.now_s += seconds


def run(severities, facts=None, **arguments):
    """The result and the time waited. The host has these severities in turn, then the last one."""
    clock, left = Clock(), list(severities)
    action = made(health_gate.ActionModule, "cipu.clock.health_gate", arguments)
    reply = facts or {"ansible_facts": {"cipu_clock": {"schema": 1}}}

    def judge(*_arguments):
        severity = left.pop(0) if len(left) > 1 else left[0]
        return {"severity": severity, "state": severity.upper(), "msg": severity.upper()}

    with (
        mock.patch.object(health_gate, "time", clock),
        mock.patch.object(action, "_execute_module", return_value=reply),
        mock.patch.object(action, "judge", judge),
    ):
        return action.run(task_vars={"inventory_hostname": "db1"}), clock.waits_s


def test_without_a_timeout_the_host_is_judged_once():
    result, waits_s = run(["critical"])
    assert (result["severity"], result["checks"], waits_s) == ("critical", 1, [])
    assert not result.get("failed")
    assert result["ansible_facts"]["cipu_clock"] == {"schema": 1}


def test_it_ends_as_soon_as_the_host_is_healthy():
    result, waits_s = run(["unknown", "critical", "warning"], timeout_s=60, delay_s=10)
    assert (result["severity"], result["checks"], waits_s) == ("warning", 3, [10, 10])


def test_a_host_that_stays_critical_fails_after_the_timeout():
    result, waits_s = run(["critical"], timeout_s=25, delay_s=10, required=True)
    assert result["failed"]
    assert sum(waits_s) == 25
    assert result["msg"] == "The host was not healthy within 25 s: CRITICAL"
    # A failed task prints its facts and does not set them.
    assert "ansible_facts" not in result


def test_a_delay_of_zero_does_not_spin():
    _result, waits_s = run(["critical"], timeout_s=3, delay_s=0)
    assert waits_s == [1, 1, 1]


def test_facts_that_fail_are_the_result():
    result, waits_s = run(["ok"], facts={"failed": True, "msg": "no python"}, timeout_s=60)
    assert result["failed"] and waits_s == []
    assert result["msg"] == "clock_facts failed: no python"


def test_a_long_wait_prints_what_is_wrong():
    seen = threading.Event()
    wanted = "... db1: waiting for a healthy verdict, 0 of at most 60 s: CRITICAL"
    screen = mock.Mock()
    screen.display.side_effect = lambda line: line == wanted and seen.set()

    def sleep(clock, seconds):
        assert seen.wait(20), screen.display.mock_calls
        clock.now_s += seconds

    with (
        mock.patch.object(progress, "display", screen),
        mock.patch.object(progress, "FIRST_S", 0.01),
        mock.patch.object(progress, "EVERY_S", 0.01),
        mock.patch.object(Clock, "sleep", sleep),
    ):
        run(["critical"], timeout_s=60)
