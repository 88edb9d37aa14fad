# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a host on the controller, by stored facts or by facts that the same task gathers."""

import time

from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import SEVERITIES
from ansible_collections.cipu.clock.plugins.module_utils._health.fleet import summarise
from ansible_collections.cipu.clock.plugins.module_utils._health.options import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    NEVER,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.row import (
    row,
    row_without_facts,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import (
    FACTS_ADVICE,
    headline,
)
from ansible_collections.cipu.clock.plugins.plugin_utils import from_variables
from ansible_collections.cipu.clock.plugins.plugin_utils.gather import FACT, gather


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        from_variables.complete(self, variables)
        _validation, args = self.validate_argument_spec(
            argument_spec=ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE
        )
        result["changed"] = False
        if args["fleet"] is not None or args["fleet_hosts"] is not None:
            judged = _fleet(args, variables)
        else:
            judged = self._host(args, variables)
        result.update(judged)
        if args["fail_at"] != NEVER:
            limit = SEVERITIES.index(args["fail_at"])
            severity = result["severity"]
            result["failed"] = severity in SEVERITIES and SEVERITIES.index(severity) >= limit
        return result

    def _host(self, args, variables):
        name = variables.get("inventory_hostname", "")
        facts, problem = args["facts"], None
        if args["gather"]:
            options = args["gather_options"] or {}
            options = {name: value for name, value in options.items() if value is not None}
            facts, problem = gather(self, options, variables)
        elif facts is None:
            facts = (variables.get("ansible_facts") or {}).get(FACT)
        if problem is None:
            judged = row(
                name, facts, args["previous"], args["thresholds"], time.time(), args["zone"]
            )
        else:
            judged = row_without_facts(name, problem, FACTS_ADVICE, args["zone"])
        health = judged.pop("health")
        return dict(judged, msg=headline(health), **health)


def _fleet(args, variables):
    fleet = args["fleet"]
    if fleet is None:
        fleet = {name: _stored_facts(variables, name) for name in args["fleet_hosts"]}
    previous, zones = args["fleet_previous"] or {}, args["zones"] or {}
    now_s = time.time()
    rows = [
        row(name, facts, previous.get(name), args["thresholds"], now_s, zones.get(name))
        for name, facts in fleet.items()
    ]
    summary = summarise(rows, args["thresholds"])
    summary["hosts"] = {
        one["host"]: dict(one["health"], error_bound_ns=one["error_bound_ns"]) for one in rows
    }
    counts = summary["severities"].items()
    counted = ", ".join("{0} {1}".format(count, name.upper()) for name, count in counts if count)
    return {
        "fleet": summary,
        "state": summary["state"],
        "severity": summary["severity"],
        "msg": "{0}: {1}".format(summary["severity"].upper(), counted or "no hosts"),
    }


def _stored_facts(variables, name):
    """A host's facts as they were stored, never templated."""
    hostvars = variables.get("hostvars")
    if hostvars is None or name not in hostvars:
        return None
    stored = hostvars.raw_get(name).get("ansible_facts")
    return stored.get(FACT) if isinstance(stored, dict) else None
