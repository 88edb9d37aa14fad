# SPDX-License-Identifier: GPL-3.0-or-later
"""clock_facts on the controller: only valid facts of the clock become variables."""

from unittest import mock

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.cipu.clock.plugins.action.clock_facts import ActionModule

from ..made import facts, fresh
from .acting import run_action


def run(returned):
    effect = {"side_effect": returned} if isinstance(returned, Exception) else {}
    with mock.patch.object(ActionModule, "_execute_module", return_value=returned, **effect):
        return run_action(ActionModule, "cipu.clock.clock_facts", {}, {})


def test_facts_are_passed_on_and_nothing_else():
    record = fresh()
    spoofed = {"cipu_clock": record, "ansible_host": "evil", "cipu_audit_result": {}}
    returned = {"ansible_facts": spoofed, "add_host": {"host_name": "x"}, "unreachable": True}
    result = run(dict(returned, changed=True))
    assert result == {"changed": False, "ansible_facts": {"cipu_clock": record}}


@pytest.mark.parametrize(
    "returned, words",
    [
        ({"ansible_facts": {"cipu_clock": dict(facts(), clocks="abc")}}, "malformed: clocks is a"),
        ({"ansible_facts": {"cipu_clock": []}}, "malformed: the record is a list, not an object"),
        ({"ansible_facts": "text"}, "clock_facts failed: it returned no facts of the clock"),
        ({"failed": True, "msg": "no \x1b[31mpython"}, "clock_facts failed: no \\x1b[31mpython"),
        (
            {"failed": True, "msg": "MODULE FAILURE\nSee stdout", "module_stderr": "no python3\n"},
            "clock_facts failed: no python3 (MODULE FAILURE)",
        ),
        (
            {"failed": True, "msg": "No JSON", "module_stderr": "Traceback\nMemoryError: full"},
            "clock_facts failed: MemoryError: full (No JSON)",
        ),
        (RecursionError(), "malformed: they are nested too deeply"),
        (AnsibleError("surrogates not allowed"), "malformed: they are not valid Unicode"),
        (
            {"failed": True, "msg": "MODULE FAILURE: Module returned non UTF-8 data in the JSON."},
            "malformed: they are not valid Unicode",
        ),
        (ValueError("no number"), "clock_facts failed: no number"),
    ],
)
def test_what_is_no_record_of_facts_fails(returned, words):
    result = run(returned)
    assert result["failed"] is True
    assert words in result["msg"]
    assert "ansible_facts" not in result


def test_an_unreachable_host_is_unreachable():
    with pytest.raises(AnsibleConnectionFailure):
        run(AnsibleConnectionFailure("no route"))
