# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet report on the controller; the module of the same name documents the options."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.module_utils._health.report import build, to_json
from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable, replace
from ansible_collections.cipu.clock.plugins.plugin_utils._report import (
    charts,
    history,
    load,
    page,
    summary,
)
from ansible_collections.cipu.clock.plugins.plugin_utils.collection import version


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            argument_spec={
                "reports": {"type": "list", "elements": "path", "required": True},
                "previous": {"type": "list", "elements": "path", "default": []},
                "history": {"type": "path"},
                "record": {"type": "bool", "default": False},
                "keep_days": {"type": "float", "default": 90.0},
                "html": {"type": "path"},
                "json": {"type": "path"},
                "csv": {"type": "path"},
            }
        )
        try:
            return self.write(options)
        except (load.ReportError, Unwritable) as error:
            # ansible-core would print the sentences of the causes again.
            raise AnsibleActionFail(str(error)) from None

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        report = load.merge([load.load(path) for path in options["reports"]])
        if not report["hosts"]:
            raise load.ReportError(f"{', '.join(options['reports'])}: the report has no hosts")
        before = None
        if options["previous"]:
            before = load.merge([load.load(path) for path in options["previous"]])
        rows, taken_at_s = load.shown(report), report["taken_at_s"]
        past = load.absolute(options["history"]) if options["history"] else None
        check = self._task.check_mode
        pruned = 0
        if past and options["record"] and not check:
            pruned = history.append(past, taken_at_s, rows, options["keep_days"])
        written = {}
        makers = {
            "html": lambda: page.html(report, before, past),
            "json": lambda: to_json(build(report["hosts"], taken_at_s, version())),
            "csv": lambda: page.as_csv(rows),
        }
        for kind, make in makers.items():
            if options[kind]:
                written[kind] = load.absolute(options[kind])
                if not check:
                    replace(written[kind], make())
        return {
            "changed": bool(written) or (options["record"] and bool(past)),
            "hosts": len(rows),
            "severities": summary.severities(rows),
            "charts": charts.HAS_PYGAL,
            "written": written,
            "pruned": pruned,
        }
