# SPDX-License-Identifier: GPL-3.0-or-later
"""clock_health as a task: the facts it uses, what it returns, and when it fails."""

import time
from unittest import mock

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleError
from ansible_collections.cipu.clock.plugins.action.clock_health import ActionModule

from ..made import change, facts


class Hostvars(dict):
    """Like Ansible's: reading a host by name templates, raw_get does not."""

    def raw_get(self, name):
        return dict.__getitem__(self, name)

    def __getitem__(self, name):
        raise AssertionError("the facts of a host were templated")


def run(arguments, variables=None):
    task = mock.Mock(args=arguments, async_val=0, check_mode=False, diff=False)
    task.action = "cipu.clock.clock_health"
    action = ActionModule(
        task=task,
        connection=mock.Mock(),
        play_context=mock.Mock(check_mode=False),
        loader=mock.Mock(),
        templar=mock.Mock(),
        shared_loader_obj=mock.Mock(),
    )
    action._load_name = task.action  # as the loader of plugins would
    return action.run(task_vars=variables or {})


def fresh(**changes):
    record = facts()
    age_s = int(time.time()) - record["taken_at_s"]
    record["taken_at_s"] += age_s
    record["chrony"]["tracking"]["ref_time_s"] += age_s
    for path, value in changes.items():
        change(record, path.replace("__", "."), value)
    return record


ILL = {"clocks__0__cipu__sync__clock_abnormal": True}


def test_facts_of_the_host_are_the_default():
    result = run({}, {"ansible_facts": {"cipu_clock": fresh()}})
    assert (result["state"], result["msg"], result["changed"]) == ("OK", "OK", False)


def test_facts_given_come_first():
    result = run({"facts": fresh(**ILL)}, {"ansible_facts": {"cipu_clock": fresh()}})
    assert result["severity"] == "critical"
    assert result["msg"] == "CRITICAL (DEGRADED): /dev/ptp0 reports clock abnormal."


def test_no_facts_are_unknown():
    assert run({})["state"] == "UNKNOWN"


def test_thresholds_are_converted_and_their_names_checked():
    told = run({"facts": fresh(), "thresholds": {"offset_warn_ns": "1", "offset_critical_ns": 2}})
    assert told["state"] == "OK"  # within its uncertainty
    with pytest.raises(AnsibleError, match="offset_warn"):
        run({"facts": fresh(), "thresholds": {"offset_warn": 1}})


@pytest.mark.parametrize(
    "fail_at, failed", [("never", False), ("warning", True), ("unknown", True), ("critical", True)]
)
def test_fail_at(fail_at, failed):
    assert run({"facts": fresh(**ILL), "fail_at": fail_at}).get("failed", False) is failed
    assert run({"facts": fresh(), "fail_at": fail_at}).get("failed", False) is False


def test_a_warning_does_not_fail_at_critical():
    given = fresh(clocks__0__cipu__sync__busy=True)
    assert run({"facts": given, "fail_at": "critical"})["failed"] is False
    assert run({"facts": given, "fail_at": "warning"})["failed"] is True


def test_a_fleet_by_its_stored_facts():
    hostvars = Hostvars(
        a={"ansible_facts": {"cipu_clock": fresh()}},
        b={"ansible_facts": {"cipu_clock": fresh(**ILL)}},
        c={"ansible_facts": {}},
        d={},
    )
    result = run({"fleet_hosts": ["a", "b", "c", "d", "e"]}, {"hostvars": hostvars})
    assert result["fleet"]["states"] == {"DEGRADED": 1, "OK": 1, "UNKNOWN": 3}
    assert result["msg"] == "CRITICAL: 1 OK, 3 UNKNOWN, 1 CRITICAL"


def test_facts_and_a_fleet_exclude_each_other():
    with pytest.raises(AnsibleError):
        run({"facts": fresh(), "fleet": {}})
