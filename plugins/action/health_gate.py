# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the clocks of a host and judges it until it is healthy. Each host waits for itself."""

import time

from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import UNHEALTHY
from ansible_collections.cipu.clock.plugins.module_utils._host.clockprobe import DEFAULT_PATH
from ansible_collections.cipu.clock.plugins.plugin_utils import other_action
from ansible_collections.cipu.clock.plugins.plugin_utils.gather import FACT, gather
from ansible_collections.cipu.clock.plugins.plugin_utils.progress import Progress

ARGUMENT_SPEC = {
    "probe_path": {"type": "path", "default": DEFAULT_PATH},
    "thresholds": {"type": "dict", "default": {}},
    "timeout_s": {"type": "int", "default": 0},
    "delay_s": {"type": "int", "default": 10},
    "required": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        deadline_s = time.monotonic() + args["timeout_s"]
        checks = 0
        what = "waiting for a healthy verdict" if args["timeout_s"] else "judging the host"
        host = str((task_vars or {}).get("inventory_hostname"))
        with Progress(host, what, args["timeout_s"]) as progress:
            while True:
                result = self.check(args, task_vars)
                checks += 1
                left_s = deadline_s - time.monotonic()
                if result.get("severity") not in UNHEALTHY or left_s <= 0:
                    break
                progress.status = str(result.get("msg", ""))
                time.sleep(min(max(args["delay_s"], 1), left_s))
        result["checks"] = checks
        if result.get("severity") in UNHEALTHY and args["required"]:
            # A failed task sets no facts; without them its output can be read.
            result.pop("ansible_facts", None)
            result["failed"] = True
            result["msg"] = "The host was not healthy within {1} s: {0}".format(
                result["msg"], args["timeout_s"]
            )
        return result

    def check(self, args, task_vars):
        facts, problem = gather(self, {"probe_path": args["probe_path"]}, task_vars)
        if problem:
            return {"failed": True, "msg": problem}
        result = self.judge(facts, args["thresholds"], task_vars)
        result["ansible_facts"] = {FACT: facts}
        return result

    def judge(self, facts, thresholds, task_vars):
        """By the action of cipu.clock.clock_health, which is the one place that judges."""
        options = {"facts": facts, "thresholds": thresholds}
        return other_action.run(self, "cipu.clock.clock_health", options, task_vars)
