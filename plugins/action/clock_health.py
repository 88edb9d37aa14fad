# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges on the controller, from facts that are stored or gathered by the same task."""

import time

from ansible.errors import AnsibleConnectionFailure, AnsibleError
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

FACT = "cipu_clock"
GATHER = "cipu.clock.clock_facts"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec=ARGUMENT_SPEC, mutually_exclusive=MUTUALLY_EXCLUSIVE
        )
        variables = task_vars or {}
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
            facts, problem = self._gathered(args["gather_options"] or {}, variables)
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

    def _gathered(self, options, variables):
        """The host's facts, or why there are none. All else that the host returned is dropped.

        What a module returns can set facts, add hosts and more; a host that may be compromised
        gets no say in that.
        """
        arguments = {name: value for name, value in options.items() if value is not None}
        try:
            returned = self._execute_module(
                module_name=GATHER, module_args=arguments, task_vars=variables
            )
            self._remove_tmp_path(self._connection._shell.tmpdir)
        except AnsibleConnectionFailure:
            # The host is unreachable, and Ansible counts it as that.
            raise
        except RecursionError:
            return None, "The facts are malformed: they are nested too deeply."
        except (AnsibleError, ValueError) as error:
            # ansible-core refuses some replies itself.
            if "surrogates not allowed" in str(error):
                return None, "The facts are malformed: they are not valid Unicode."
            return None, "clock_facts failed: {0}".format(error)
        facts = returned.get("ansible_facts")
        facts = facts.get(FACT) if isinstance(facts, dict) else None
        if facts is not None and not returned.get("failed"):
            return facts, None
        return None, "clock_facts failed: {0}".format(returned.get("msg") or "it returned no facts")


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
