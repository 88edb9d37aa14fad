# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one report of many hosts, from the registered results of clock_health."""

import os
import sys
import time

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.cipu.clock.plugins.module_utils._health import table
from ansible_collections.cipu.clock.plugins.module_utils._health.options import (
    AUDIT_ARGUMENT_SPEC,
    NEVER,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.report import build, to_json
from ansible_collections.cipu.clock.plugins.module_utils._health.row import (
    HEALTH_KEYS,
    NAME_LIMIT,
    row_without_facts,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable, replace
from ansible_collections.cipu.clock.plugins.plugin_utils._report import history, page
from ansible_collections.cipu.clock.plugins.plugin_utils._report.load import (
    ReportError,
    absolute,
    load,
    shown,
)
from ansible_collections.cipu.clock.plugins.plugin_utils.collection import version

display = Display()

FAILING = {"critical": ("critical", "unknown"), "warning": ("critical", "unknown", "warning")}
COLOURS = {
    "critical": C.COLOR_ERROR,
    "unknown": C.COLOR_UNREACHABLE,
    "warning": C.COLOR_WARN,
    "ok": C.COLOR_OK,
}
NAMES_SHOWN = 10
REPORT_PATH = "cipu-clock-audit.json"
# Option -> the variable of the playbook audit behind it, and the default.
FACTLESS = {
    "report_path": ("cipu_audit_report_path", REPORT_PATH),
    "html_path": ("cipu_audit_html_path", None),
    "history_path": ("cipu_audit_history_path", None),
    "fail_on": ("cipu_audit_fail_on", NEVER),
}
# Messages of ansible-core 2.19 start with this.
TASK_FAILED = "Task failed: "
ROW_KEYS = (
    "zone",
    "taken_at_s",
    "kernel",
    "driver_version",
    "clock",
    "chrony_source",
    "error_bound_ns",
)
UNREACHABLE_ADVICE = "Check that the host is up and that you can log in to it."


def terminal_width(stream):
    """Columns of COLUMNS or of the terminal; a default where there is neither."""
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(stream.fileno()).columns or table.WIDTH_DEFAULT
    except (OSError, ValueError, AttributeError):
        return table.WIDTH_DEFAULT


# At import, in the main process: worker processes are detached from the terminal.
WIDTH = terminal_width(sys.stdout)


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=AUDIT_ARGUMENT_SPEC)
        variables = task_vars or {}
        _refuse_facts(args, self._task.args, variables)
        names = args["hosts"]
        if names is None:
            names = variables["ansible_play_hosts_all"]
        rows = [
            _row(name, variables["hostvars"].raw_get(name), args["result"], args["zone_variable"])
            for name in names
        ]
        report = build(rows, time.time(), version(), args["thresholds"])
        result.update(changed=False, fleet=report["fleet"])
        if args["show"]:
            for line, severity in table.lines(report, WIDTH):
                display.display(line, color=COLOURS.get(severity))
        try:
            result.update(self.write(report, args))
        except (Unwritable, ReportError) as error:
            raise AnsibleActionFail(
                "Cannot write the report: {0}. Set cipu_audit_report_path, cipu_audit_html_path "
                "and cipu_audit_history_path to paths that you can write to.".format(error)
            )
        if args["show"]:
            for kind in ("report_path", "html_path"):
                if kind in result:
                    display.display("Report: " + result[kind])
        failing = FAILING.get(args["fail_on"], ())
        failed = [one["host"] for one in rows if one["health"]["severity"] in failing]
        if failed:
            result.update(failed=True, msg=_failure(failed, args["fail_on"]))
        return result

    def write(self, report, args):
        """The files that the task asks for; returns their absolute paths."""
        paths = {
            kind: absolute(args[kind])
            for kind in ("report_path", "html_path", "history_path")
            if args[kind]
        }
        before = None
        if "html_path" in paths and os.path.isfile(paths.get("report_path", "")):
            before = _former(paths["report_path"])
        text = to_json(report)
        if "report_path" in paths:
            replace(paths["report_path"], text)
        # The report is of this audit, in check mode, too; the history keeps real ones.
        if "history_path" in paths and not self._task.check_mode:
            history.append(
                paths["history_path"],
                report["taken_at_s"],
                shown(report),
                args["history_days"],
            )
        if "html_path" in paths:
            replace(paths["html_path"], page.html(report, before, paths.get("history_path")))
        return paths


def _former(path):
    """The report that this one replaces, to compare with; None if it cannot be used."""
    try:
        return load(path)
    except ReportError as error:
        display.warning("There is nothing to compare this audit with: {0}".format(error))
        return None


def _refuse_facts(args, given, variables):
    """Replaces options whose values come from a fact by their defaults.

    A fact becomes a variable, and the task is templated with the variables of one of the hosts.
    That host must not decide where the controller writes, nor when the audit fails.
    """
    facts = variables.get("ansible_facts")
    for option, (variable, default) in FACTLESS.items():
        fact = facts.get(variable) if isinstance(facts, dict) else None
        if fact is not None and str(fact) == str(given.get(option)):
            args[option] = default
            display.warning(
                "{0} comes from a fact of host {1} and is ignored; {2} is used.".format(
                    variable, variables.get("inventory_hostname"), default
                )
            )


def _row(name, variables, result_name, zone_variable):
    """The row of a host, under the inventory's name, from the result that its task registered."""
    # A fact becomes a variable, too, and could pass for a result that was never registered.
    facts = variables.get("ansible_facts")
    if isinstance(facts, dict) and result_name in facts:
        message = "The host returned a fact named {0}, the name of the audit's results."
        return row_without_facts(name, message.format(result_name), UNREACHABLE_ADVICE)
    registered = variables.get(result_name)
    if isinstance(registered, dict) and isinstance(registered.get("clock"), dict):
        health = {key: registered[key] for key in HEALTH_KEYS}
        values = {key: registered[key] for key in ROW_KEYS}
        return dict(values, host=str(name)[:NAME_LIMIT], health=health)
    zone = variables.get(zone_variable)
    zone = zone if isinstance(zone, str) and "{{" not in zone else None
    if not isinstance(registered, dict):
        return row_without_facts(name, "The host was not audited.", UNREACHABLE_ADVICE, zone)
    unreachable = registered.get("unreachable")
    what = "The host is unreachable" if unreachable else "The audit of the host failed"
    message = str(registered.get("msg") or "no message")
    if message.startswith(TASK_FAILED):
        message = message[len(TASK_FAILED) :]
    message = "{0}: {1}".format(what, message)
    return row_without_facts(name, message, UNREACHABLE_ADVICE, zone)


def _failure(names, fail_on):
    shown = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return "cipu_audit_fail_on is {0}, and {1} of the hosts {2} at least this bad: {3}{4}".format(
        fail_on,
        len(names),
        "is" if len(names) == 1 else "are",
        shown,
        " and {0} more".format(more) if more > 0 else "",
    )
