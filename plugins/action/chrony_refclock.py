# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module chrony_refclock, and prints lines of progress while chronyd selects the clock."""

from ansible_collections.cipu.clock.plugins.plugin_utils.progress import ModuleWithProgress


class ActionModule(ModuleWithProgress):
    def what(self):
        selects = self._task.args.get("selects")
        if not selects:
            return "chronyd is configured"
        return "wait until chronyd selects {0}, at most {1} s".format(
            selects, self._task.args.get("timeout_s", 90)
        )
