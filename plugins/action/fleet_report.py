# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet report on the controller; the module of the same name documents the options."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.plugin_utils._report import charts, history, load, page


def replace(path: str, content: str) -> None:
    """Write the whole file or leave the former one; devices, FIFOs and links are refused."""
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
        raise load.ReportError(
            f"{path} is not a regular file, so it is not replaced; give another path"
        )
    folder = os.path.dirname(path) or "."
    try:
        descriptor, trial = tempfile.mkstemp(prefix=".cipu-clock-", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(trial, os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0o644)
            os.replace(trial, path)
        except BaseException:
            os.unlink(trial)
            raise
    except OSError as error:
        raise load.ReportError(
            f"cannot write {path}: {error.strerror}; the former file is unchanged"
        ) from error


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
        except load.ReportError as error:
            raise AnsibleActionFail(str(error)) from error

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        report = load.merge([load.load(path) for path in options["reports"]])
        before = (
            load.merge([load.load(path) for path in options["previous"]])
            if options["previous"]
            else None
        )
        if not report["hosts"]:
            raise load.ReportError(
                f"{', '.join(options['reports'])}: no host in it, so there is nothing to report"
            )
        check = self._task.check_mode
        pruned = 0
        if options["history"] and options["record"] and not check:
            pruned = history.append(
                options["history"], report["taken_at_s"], report["hosts"], options["keep_days"]
            )
        written = {}
        makers = {
            "html": lambda: page.html(report, before, options["history"]),
            "json": lambda: (
                json.dumps({"schema": load.SCHEMA, **report}, allow_nan=False, indent=1) + "\n"
            ),
            "csv": lambda: page.as_csv(report["hosts"]),
        }
        for kind, make in makers.items():
            if options[kind]:
                written[kind] = options[kind]
                if not check:
                    replace(options[kind], make())
        return {
            "changed": bool(written) or (options["record"] and bool(options["history"])),
            "hosts": len(report["hosts"]),
            "severities": page.summary.severities(report["hosts"]),
            "charts": charts.HAS_PYGAL,
            "written": written,
            "pruned": pruned,
        }
