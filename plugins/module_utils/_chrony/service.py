# SPDX-License-Identifier: GPL-3.0-or-later
"""chronyd as a systemd service: state, restart with verification, and what chronyc reports."""

import time

from ansible_collections.cipu.clock.plugins.module_utils._chrony import chronyc
from ansible_collections.cipu.clock.plugins.module_utils._host import units

# chronyc waits 3 s for an answer by itself; a restart may wait for chronyd to set the clock.
ASK_S = 5.0
ACT_S = 120.0
START_S = 15.0
POLL_S = 0.2


class Service:
    def __init__(self, name, run, which, actions, check_mode):
        self.name = name
        self.unit = name + ".service"
        self.run = run
        self.which = which
        self.actions = actions
        self.check_mode = check_mode

    def version(self, chronyd):
        return chronyc.parse_version(self.run([chronyd, "-v"], ASK_S).out) if chronyd else None

    # State.

    def show(self):
        argv = ["systemctl", "show", "-p", units.PROPERTIES, "--", self.unit]
        shown = units.parse_show(self.run(argv, ASK_S).out)
        return next(iter(shown.values()), {})

    def pid(self):
        return units.main_pid(self.show())

    def running(self):
        return units.runs(self.show())

    def refusal(self, enable):
        """Why the unit cannot be used, or None."""
        state = self.show().get("UnitFileState")
        if enable or state not in {"masked", "masked-runtime", "disabled"}:
            return None
        return (
            "{0} is {1}, so chronyd would not run after a reboot. Enable it, or set enable.".format(
                self.unit, "masked" if state.startswith("masked") else state
            )
        )

    def selected(self, end):
        """Names of the selected source, as configured and as an address; none if there is none."""
        program = self.which("chronyc")
        if not program:
            return []
        names = []
        for option in ("-N", "-n"):
            left_s = max(0.5, min(ASK_S, end - time.monotonic()))
            done = self.run([program, option, "-c", "sources"], left_s)
            if done.ok:
                names.append(chronyc.selected_name(done.out))
        return [n for place, n in enumerate(names) if n and n not in names[:place]]

    def journal(self):
        argv = ["journalctl", "-u", self.unit, "-t", "chronyd", "-n", "3", "-o", "cat"]
        done = self.run(argv, ASK_S)
        lines = [line.strip() for line in done.out.splitlines() if line.strip()]
        return " / ".join(lines) if done.ok and lines else "no reason in the journal"

    # Changes. Each returns None, or what went wrong.

    def command(self, verb, *words):
        argv = ["systemctl", verb] + list(words)
        self.actions.append(" ".join(argv))
        if self.check_mode:
            return None
        done = self.run(argv, ACT_S)
        return None if done.ok else "{0} failed: {1}.".format(" ".join(argv), done.error_line())

    def enable(self):
        state = self.show().get("UnitFileState")
        problem = None
        if state in {"masked", "masked-runtime"}:
            problem = self.command("unmask", self.unit)
            state = "disabled"
        if not problem and state == "disabled":
            problem = self.command("enable", self.unit)
        return problem

    def restart(self):
        return self.start("restart")

    def start(self, verb):
        if not self.check_mode:
            # systemd refuses a unit that failed too often until its failures are reset.
            self.run(["systemctl", "reset-failed", self.unit], ASK_S)
        problem = self.command(verb, self.unit)
        if problem or self.check_mode:
            return problem and "{0} chronyd's last lines: {1}.".format(problem, self.journal())
        end = time.monotonic() + START_S
        while not self.running():
            if time.monotonic() >= end:
                return "chronyd does not run: {0}.".format(self.journal())
            time.sleep(POLL_S)
        return None

    def stop(self):
        return self.command("stop", self.unit)

    def reload(self):
        """Let systemd and udev read changed files."""
        if self.check_mode:
            return
        self.run(["systemctl", "daemon-reload"], ACT_S)
        if self.which("udevadm"):
            self.run(["udevadm", "control", "--reload"], ASK_S)
