# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module chrony_refclock, and prints lines of progress while chronyd selects the clock."""

from ansible_collections.cipu.clock.plugins.plugin_utils.progress import ModuleWithProgress


class ActionModule(ModuleWithProgress):
    def what(self):
        selects = self._task.args.get("selects")
        if not selects:
            return "configuring chronyd"
        return "waiting for chronyd to select {0}".format(selects)

    def limit_s(self):
        return float(self._task.args.get("timeout_s", 90)) if self._task.args.get("selects") else 0
