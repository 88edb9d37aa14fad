# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds the run of ansible-playbook to cipu.clock.host_lock, and replaces the lock of a dead run."""

from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.plugin_utils import run_owner

MODULE = "cipu.clock.host_lock"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        args["replaces"] = ""
        args["owner"] = run_owner.describe(args.get("playbook", "rollout"))
        wait_s = args.pop("wait_s", None)
        result = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        holder = result.get("holder") if result.get("failed") else None
        if not isinstance(holder, dict):
            return result
        # A run that has ended releases no lock, so do not wait for it.
        if run_owner.has_ended(str(holder.get("id"))):
            args["replaces"] = holder["id"]
        elif wait_s:
            args["wait_s"] = wait_s
        else:
            return result
        return self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
