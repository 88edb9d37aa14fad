# SPDX-License-Identifier: GPL-3.0-or-later
"""clock_health as a task: the facts it uses, what it returns, and when it fails."""

from unittest import mock

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleError
from ansible_collections.cipu.clock.plugins.action import clock_health
from ansible_collections.cipu.clock.plugins.action.clock_health import ActionModule

from ..made import fresh
from .acting import Hostvars, run_action


def run(arguments, variables=None):
    return run_action(ActionModule, "cipu.clock.clock_health", arguments, variables or {})


ABNORMAL = {"clocks__0__cipu__sync__clock_abnormal": True}


def test_facts_of_the_host_are_the_default():
    result = run({}, {"ansible_facts": {"cipu_clock": fresh()}})
    assert (result["state"], result["msg"], result["changed"]) == ("OK", "OK", False)


def test_facts_given_come_first():
    result = run({"facts": fresh(**ABNORMAL)}, {"ansible_facts": {"cipu_clock": fresh()}})
    assert result["severity"] == "critical"
    assert result["msg"] == "CRITICAL (DEGRADED): /dev/ptp0 reports clock abnormal."


def test_no_facts_are_unknown():
    assert run({})["state"] == "UNKNOWN"


def test_thresholds_are_converted_and_their_names_checked():
    judged = run({"facts": fresh(), "thresholds": {"offset_warn_ns": "1", "offset_critical_ns": 2}})
    assert judged["state"] == "OK"  # within its uncertainty
    with pytest.raises(AnsibleError, match="offset_warn"):
        run({"facts": fresh(), "thresholds": {"offset_warn": 1}})


@pytest.mark.parametrize(
    "fail_at, failed", [("never", False), ("warning", True), ("unknown", True), ("critical", True)]
)
def test_fail_at(fail_at, failed):
    assert run({"facts": fresh(**ABNORMAL), "fail_at": fail_at}).get("failed", False) is failed
    assert run({"facts": fresh(), "fail_at": fail_at}).get("failed", False) is False


def test_a_warning_does_not_fail_at_critical():
    given = fresh(clocks__0__cipu__sync__busy=True)
    assert run({"facts": given, "fail_at": "critical"})["failed"] is False
    assert run({"facts": given, "fail_at": "warning"})["failed"] is True


def test_a_fleet_by_its_stored_facts():
    hostvars = Hostvars(
        a={"ansible_facts": {"cipu_clock": fresh()}},
        b={"ansible_facts": {"cipu_clock": fresh(**ABNORMAL)}},
        c={"ansible_facts": {}},
        d={},
    )
    result = run({"fleet_hosts": ["a", "b", "c", "d", "e"]}, {"hostvars": hostvars})
    assert result["fleet"]["states"] == {"DEGRADED": 1, "OK": 1, "UNKNOWN": 3}
    assert result["msg"] == "CRITICAL: 1 OK, 3 UNKNOWN, 1 CRITICAL"


def test_facts_and_a_fleet_exclude_each_other():
    with pytest.raises(AnsibleError):
        run({"facts": fresh(), "fleet": {}})


def test_options_come_from_variables_where_the_task_does_not_set_them():
    names = {"zone": "site", "thresholds": "limits", "fail_at": "missing"}
    variables = {"site": "cn-a", "limits": {"error_bound_critical_ns": "1"}}
    judged = run({"facts": fresh(), "options_from": names}, variables)
    assert (judged["zone"], judged["severity"]) == ("cn-a", "critical")
    own = {"facts": fresh(), "options_from": names, "zone": "own", "thresholds": {}}
    judged = run(own, variables)
    assert (judged["zone"], judged["severity"]) == ("own", "ok")


def test_an_empty_variable_sets_no_option():
    names = {"zone": "site", "thresholds": "limits"}
    judged = run({"facts": fresh(), "options_from": names}, {"site": "", "limits": None})
    assert (judged["zone"], judged["severity"]) == (None, "ok")


def test_a_suboption_comes_from_a_variable():
    names = {"gather_options.probe_path": "path", "gather_options.driver": "name"}
    asked = {"gather": True, "gather_options": {"driver": "own"}, "options_from": names}
    with mock.patch.object(clock_health, "gather", return_value=(fresh(), None)) as gather:
        run(asked, {"path": "/opt/clockprobe", "name": "other"})
    assert gather.call_args.args[1] == {"driver": "own", "probe_path": "/opt/clockprobe"}
