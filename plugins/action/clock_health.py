# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges on the controller: the facts are there already, so no host is asked."""

import time

from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import SEVERITIES
from ansible_collections.cipu.clock.plugins.module_utils._health.fleet import summarise
from ansible_collections.cipu.clock.plugins.module_utils._health.options import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    NEVER,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge

FACT = "cipu_clock"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec=ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE
        )
        variables = task_vars or {}
        result["changed"] = False
        fleet = args["fleet"]
        if args["fleet_hosts"] is not None:
            fleet = {name: _facts_of(variables, name) for name in args["fleet_hosts"]}
        if fleet is not None:
            summary = summarise(
                fleet, args["fleet_previous"], args["zones"], args["thresholds"], time.time()
            )
            result.update(fleet=summary, state=summary["state"], severity=summary["severity"])
            told = _fleet_told(summary)
        else:
            facts = args["facts"]
            if facts is None:
                facts = (variables.get("ansible_facts") or {}).get(FACT)
            health = judge(facts, args["previous"], args["thresholds"], time.time())
            result.update(health)
            told = "; ".join(reason["message"] for reason in health["reasons"][:3])
        result["msg"] = "{0}{1}".format(result["state"], ": " + told if told else "")
        if args["fail_at"] != NEVER:
            limit = SEVERITIES.index(args["fail_at"])
            result["failed"] = SEVERITIES.index(result["severity"]) >= limit
        return result


def _facts_of(variables, name):
    """A host's facts as they were stored: what a host says is never templated."""
    hostvars = variables.get("hostvars")
    if hostvars is None or name not in hostvars:
        return None
    stored = hostvars.raw_get(name).get("ansible_facts")
    return stored.get(FACT) if isinstance(stored, dict) else None


def _fleet_told(summary):
    return ", ".join("{0} {1}".format(count, state) for state, count in summary["states"].items())
