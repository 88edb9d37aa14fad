# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers the facts of a host and validates them before they become variables."""

from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.module_utils._health.boundary import Malformed, admit
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import shown
from ansible_collections.cipu.clock.plugins.plugin_utils.gather import FACT, gather

MESSAGE_LIMIT = 1000


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        result["changed"] = False
        facts, problem = gather(self, self._task.args, task_vars)
        if problem is None:
            try:
                result["ansible_facts"] = {FACT: admit(facts)}
            except Malformed as malformed:
                problem = "The facts are malformed: {0}.".format(malformed)
        if problem is not None:
            result.update(failed=True, msg=shown(problem, MESSAGE_LIMIT))
        return result
