#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: time_daemon
short_description: Switch between time daemons without leaving the host without one
version_added: 0.1.0
description:
  - Starts the units in O(running) first, verifies that they run, and only then stops the units in
    O(stopped).
  - If a unit cannot be started or stopped, the daemons that ran before are started again, and the
    module fails with a message that names the daemon that runs now.
  - Without any option it returns the state of all known time daemons and changes nothing.
  - It manages systemd units only. Packages are left to the package manager.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  running:
    description: Units that must run, such as V(chrony.service).
    type: list
    elements: str
    default: []
  stopped:
    description: Units to stop after all units in O(running) run. Missing units are ignored.
    type: list
    elements: str
    default: []
  enablement:
    description:
      - Wanted state of unit files, V(enabled), V(disabled) or V(masked) by unit name. Other values
        and missing units are ignored. Units that are not listed keep their state.
    type: dict
    default: {}
  recorded:
    description:
      - State to restore, as returned in C(units) by an earlier run. Recorded daemons that ran
        are added to O(running), all others to O(stopped), and unit files get their recorded state.
      - If no daemon ran, the daemons that run now are left running, so that the host is not left
        without one.
    type: dict
    default: {}
  restart:
    description: Whether to restart units in O(running) that run already.
    type: bool
    default: false
  timeout_s:
    description: Number of seconds to wait for a unit to run or to stop.
    type: int
    default: 30
extends_documentation_fragment:
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    description: Returns the commands that would run.
    support: full
  diff_mode:
    description: Not supported. C(actions) lists the changes.
    support: none
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: ansible.builtin.systemd_service
  - module: cipu.clock.chrony_refclock
"""

EXAMPLES = r"""
- name: Record the time daemons
  cipu.clock.time_daemon:
  register: before

- name: Switch from ntpd to chronyd
  cipu.clock.time_daemon:
    running: [chronyd.service]
    stopped: [ntpd.service]
    enablement: {chronyd.service: enabled, ntpd.service: disabled}
"""

RETURN = r"""
actions:
  description: Commands that were run, or that would run.
  returned: always
  type: list
  elements: str
  sample: [systemctl start chronyd.service]
missing:
  description: Units that must run but whose package is not installed.
  returned: always
  type: list
  elements: str
  sample: [systemd-timesyncd.service]
servers:
  description: NTP servers in the configuration of the daemons that ran before, as lines for chrony.
  returned: always
  type: list
  elements: str
  sample: [pool 2.debian.pool.ntp.org]
units:
  description: State of each time daemon's unit before the run, by unit name.
  returned: always
  type: dict
  sample: {chrony.service: {load: loaded, active: active, enabled: enabled}}
daemons:
  description: Names of the time daemons that run at the end.
  returned: always
  type: list
  elements: str
  sample: [chronyd]
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils._host import ntp_servers, units
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

SPEC = {
    "running": {"type": "list", "elements": "str", "default": []},
    "stopped": {"type": "list", "elements": "str", "default": []},
    "enablement": {"type": "dict", "default": {}},
    "recorded": {"type": "dict", "default": {}},
    "restart": {"type": "bool", "default": False},
    "timeout_s": {"type": "int", "default": 30},
}
# systemctl's verb for each wanted state of a unit file.
VERBS = {"enabled": "enable", "disabled": "disable", "masked": "mask"}
POLL_S = 0.2


class Failed(Exception):
    """A unit is not in the wanted state; the text says which one and why."""


class Switch:
    def __init__(self, module):
        self.module = module
        self.params = module.params
        self.systemctl = module.get_bin_path("systemctl")
        self.actions = []
        self.running = list(self.params["running"])
        self.stopped = list(self.params["stopped"])
        self.enablement = dict(self.params["enablement"])

    def show(self):
        """All time units and those named in the options: unit -> properties."""
        names = sorted(set(units.SHOWN) | set(self.named()))
        argv = [self.systemctl, "show", "-p", units.PROPERTIES]
        code, out, err = self.module.run_command(argv + ["--"] + names)
        if code:
            raise Failed("systemctl show failed: {0}".format(err.strip() or code))
        return units.parse_show(out)

    def named(self):
        return self.running + self.stopped + list(self.enablement)

    def apply_record(self, shown):
        """Convert the recorded state to units to run, to stop, to enable and to disable."""
        recorded = self.params["recorded"]
        ran = [u for u in sorted(recorded) if field(recorded[u], "active") in units.RUNNING]
        if not ran:
            return
        self.running += [unit for unit in ran if unit not in self.running]
        for unit, fields in sorted(shown.items()):
            kept = [u for u in self.running if fields is self.find(u, shown)]
            if units.daemon(unit) and not kept:
                self.stopped.append(unit)
                if not field(recorded.get(unit), "enabled"):
                    self.enablement.setdefault(unit, "disabled")
        for unit in sorted(recorded):
            self.enablement.setdefault(unit, field(recorded[unit], "enabled"))

    def missing(self, shown):
        """Units that must run but are not installed. One still loaded after its removal is."""
        return [
            unit
            for unit in self.running
            if self.find(unit, shown).get("LoadState", "not-found") == "not-found"
        ]

    def find(self, unit, shown):
        """Properties of a unit, which may be named by an alias such as chronyd.service."""
        for name, fields in shown.items():
            if unit == name or unit in fields.get("Names", "").split():
                return fields
        return {}

    def command(self, verb, unit):
        """Run one systemctl command. Its error text, or None."""
        self.actions.append("systemctl {0} {1}".format(verb, unit))
        if self.module.check_mode:
            return None
        code, _out, err = self.module.run_command([self.systemctl, verb, "--", unit])
        return (err.strip().splitlines() or ["exit status {0}".format(code)])[-1] if code else None

    def wait(self, unit, running):
        """Wait until a unit runs, or has stopped. Whether it did in time."""
        end = time.monotonic() + self.params["timeout_s"]
        while True:
            if units.runs(self.find(unit, self.show())) == running:
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(POLL_S)

    def set_enablement(self, unit, shown):
        wanted = self.enablement.get(unit)
        fields = self.find(unit, shown)
        now = fields.get("UnitFileState")
        if wanted not in VERBS or wanted == now or fields.get("LoadState") == "not-found":
            return
        if now == "masked":
            self.checked("unmask", unit)
            if wanted == "disabled":
                return
        # An alias cannot be enabled, only the unit that it belongs to.
        self.checked(VERBS[wanted], fields.get("Id", unit))

    def checked(self, verb, unit):
        problem = self.command(verb, unit)
        if problem:
            raise Failed("systemctl {0} {1} failed: {2}".format(verb, unit, problem))

    def start(self, unit, shown):
        verb = "start"
        if units.runs(self.find(unit, shown)):
            if not self.params["restart"]:
                return
            verb = "restart"
        if not self.module.check_mode:
            # A unit that failed too often is refused until its failures are reset.
            self.module.run_command([self.systemctl, "reset-failed", "--", unit])
        self.checked(verb, unit)
        if not self.module.check_mode and not self.wait(unit, True):
            raise Failed("{0} does not run after systemctl {1}".format(unit, verb))

    def stop(self, unit, shown):
        if self.find(unit, shown).get("ActiveState", "inactive") in {"inactive", "failed"}:
            return
        self.checked("stop", unit)
        if not self.module.check_mode and not self.wait(unit, False):
            raise Failed("{0} still runs after systemctl stop".format(unit))

    def switch(self, shown):
        for unit in self.running:
            self.set_enablement(unit, shown)
            self.start(unit, shown)
        for unit in self.stopped:
            self.stop(unit, shown)
        for unit in self.enablement:
            if unit not in self.running:
                self.set_enablement(unit, shown)

    def start_former(self, shown):
        """Start the daemons again that ran before, as far as possible."""
        now = self.show()
        for unit, fields in sorted(shown.items()):
            if units.daemon(unit) and units.runs(fields) and not units.runs(self.find(unit, now)):
                self.command("start", unit)
        if not self.daemons():
            for unit in self.running:
                self.command("start", unit)

    def daemons(self, shown=None):
        shown = self.show() if shown is None else shown
        names = {units.daemon(u) for u, fields in shown.items() if units.runs(fields)}
        return sorted(name for name in names if name)


def field(fields, name):
    """A text of a recorded unit. A record comes from a file, so its types are checked."""
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""


def record(shown):
    """States in the form in which they are recorded before a rollout."""
    return {
        unit: {
            "load": fields.get("LoadState", ""),
            "active": fields.get("ActiveState", ""),
            "enabled": fields.get("UnitFileState", ""),
        }
        for unit, fields in shown.items()
        # A daemon may keep running after its package was removed.
        if units.daemon(unit) and (fields.get("LoadState") != "not-found" or units.runs(fields))
    }


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    module.run_command_environ_update = {"LC_ALL": "C"}
    work = Switch(module)
    if not work.systemctl:
        module.fail_json(msg="time_daemon: systemctl is missing; this module needs systemd.")
    shown, failure = {}, None
    try:
        shown = work.show()
        work.apply_record(shown)
        work.switch(shown)
        if work.running and not module.check_mode and not work.daemons():
            raise Failed("no time daemon runs")
    except Failed as reason:
        failure = str(reason)
        work.start_former(shown)
    result = {
        "changed": bool(work.actions),
        "actions": work.actions,
        "units": record(shown),
        "missing": work.missing(shown),
        "servers": ntp_servers.of_daemons(Tree(), work.daemons(shown)),
        "daemons": work.daemons(),
    }
    if failure:
        module.fail_json(
            msg="time_daemon: {0}. Running now: {1}.".format(
                failure, ", ".join(result["daemons"]) or "no time daemon"
            ),
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
