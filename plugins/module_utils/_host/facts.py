# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the facts of one host, without judging them, and lists what it could not determine.

The host is accessed through a Tree and two functions only, so that tests can replace them.
"""

import os
import time

from ansible_collections.cipu.clock.plugins.module_utils._chrony import (
    chronyc,
    daemon,
    refclock_unit,
)
from ansible_collections.cipu.clock.plugins.module_utils._dkms import status
from ansible_collections.cipu.clock.plugins.module_utils._host import (
    boot_order,
    clockprobe,
    commands,
    headers,
    kernels,
    system,
    units,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.facts_spec import (
    DKMS_LIMIT,
    FACTS,
    KERNELS_LIMIT,
    SCHEMA,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

# clockprobe measures for well under a second; one that takes longer than this hangs.
PROBE_SHARE = 0.6


class Collector:
    def __init__(self, probe_path, driver, timeout_s, tree=None, run_all=None, which=None):
        self.probe_path = probe_path
        self.driver = driver
        self.deadline = time.monotonic() + timeout_s
        self.timeout_s = timeout_s
        self.tree = tree or Tree()
        self.run_all = run_all or commands.run_all
        self.which = which or commands.which
        self.running = os.uname().release
        self.missing = []

    def left_s(self):
        return max(0.5, self.deadline - time.monotonic())

    def facts(self):
        facts = {
            "schema": SCHEMA,
            "taken_at_s": int(time.time()),
            "boot_id": self.tree.line("/proc/sys/kernel/random/boot_id"),
        }
        # First and alone: programs that run at the same time make the measurement less certain.
        facts.update(self.probed())
        outcomes = self.run_all(self.programs(), self.left_s())
        facts["time_daemons"], chronyd_pid = self.daemons(outcomes)
        facts["chrony"] = self.chrony(outcomes, "chronyd" in facts["time_daemons"], chronyd_pid)
        if self.instances:
            facts["time_instances"] = self.instances
        facts["clocksource"] = self.tree.line(system.CLOCKSOURCE)
        facts["steal"] = self.steal(facts.pop("_steal_pct", None))
        facts["driver"] = self.driver_facts(outcomes)
        facts["kernel"] = self.kernel(outcomes)
        facts["secure_boot"] = system.secure_boot(self.tree)
        facts["missing"] = self.missing
        return self.fitted(facts)

    def fitted(self, facts):
        """The facts that conform to the schema. Others are listed as missing."""
        dropped = []
        fitted = FACTS.fit(facts, dropped=dropped)
        sentences = self.missing + ["A value was left out: {0}.".format(one) for one in dropped]
        missing = FACTS.fields["missing"]
        fitted["missing"] = missing.fit(sentences)
        return fitted

    # The clocks.

    def probed(self):
        path = clockprobe.located(self.tree, self.probe_path)
        found = {"probe": {"status": "missing", "path": path}, "functions": [], "clocks": []}
        if not self.tree.is_file(path):
            self.missing.append("No clock was read: there is no {0}.".format(path))
            return self.named(found)
        report, problem = clockprobe.parse(self.measure(path))
        if report is None:
            found["probe"].update(status="failed", message=problem)
            self.missing.append("No clock was read: {0} failed, {1}.".format(path, problem))
            return self.named(found)
        found["probe"]["status"] = "ok"
        version = clockprobe.VERSION.fit(report.get("version"))
        if version is not None:
            found["probe"]["version"] = version
        self.missing += clockprobe.problems(report)
        found["functions"] = clockprobe.functions(report)
        found["clocks"], left_out = clockprobe.clocks(report)
        if left_out:
            self.missing.append("{0} further clocks were left out.".format(left_out))
        for clock in found["clocks"]:
            # Changes when the clock is registered again, which resets its counters.
            inode = self.tree.inode("/sys/class/ptp/ptp{0}".format(clock.get("index")))
            if inode is not None:
                clock["instance"] = inode
        vmclock = clockprobe.VMCLOCK.fit(report.get("vmclock"))
        if vmclock:
            found["vmclock"] = vmclock
        found["_steal_pct"] = clockprobe.PERCENT.fit(report.get("steal_pct"))
        return found

    def measure(self, path):
        """The outcome of clockprobe. The collector of the role monitor runs it elsewhere."""
        argv = [self.tree.path(path), "--json"]
        return self.run_all({"probe": argv}, self.timeout_s * PROBE_SHARE)["probe"]

    def named(self, found):
        found["functions"] = system.cipu_functions(self.tree)
        found["clocks"] = system.ptp_clocks(self.tree)
        return found

    def steal(self, during_probe_pct):
        found = system.steal(self.tree)
        if found is None:
            self.missing.append("/proc/stat does not report steal time.")
            return {}
        if during_probe_pct is not None:
            found["during_probe_pct"] = during_probe_pct
        return found

    # The programs, run at the same time.

    def programs(self):
        commands = {}
        self.add(commands, "chronyc", ["-c", "-n", "-m", "tracking", "sources", "selectdata"])
        self.add(commands, "chronyd", ["-v"])
        self.add(commands, "modinfo", [self.driver])
        modinfo = self.which("modinfo")
        for release in self.bootable() if modinfo else ():
            commands["modinfo " + release] = [modinfo, "-k", release, "-n", self.driver]
        if self.tree.is_dir("/run/systemd/system"):
            self.add(commands, "systemctl", ["show", "-p", units.PROPERTIES, "--"] + units.SHOWN)
        config = self.chrony_config()
        chronyd = self.which("chronyd")
        if chronyd and config:
            commands["config"] = [chronyd, "-p", "-f", self.tree.path(config)]
        return commands

    def add(self, commands, program, arguments):
        path = self.which(program)
        if path:
            commands[program] = [path] + arguments

    def bootable(self):
        """The newest kernels that can boot, and always the running one and the next one."""
        releases = kernels.bootable(self.tree, self.running)
        needed = {self.running, boot_order.next_to_boot(self.tree, releases)}
        others = [release for release in releases if release not in needed]
        needed.update(others[-max(0, KERNELS_LIMIT - len(needed)) :])
        return [release for release in releases if release in needed]

    # Time daemons and chrony.

    def daemons(self, outcomes):
        outcome = outcomes.get("systemctl")
        self.restarting, self.instances = set(), []
        if outcome is not None and outcome.ok:
            active, self.restarting = system.parse_units(outcome.out)
            self.instances = system.time_instances(outcome.out)
        else:
            active = system.time_processes(self.tree)
        return sorted(active), active.get("chronyd", 0)

    def chrony_config(self):
        return daemon.main_file(self.tree, system.time_processes(self.tree).get("chronyd", 0))

    def chrony(self, outcomes, active, pid):
        report = outcomes.get("chronyc")
        if report is None:
            return {"status": "absent"}
        result = {}
        tracking, sources = chronyc.parse_report(report.out)
        if tracking is not None:
            result["status"] = "ok"
            result["tracking"] = _known(tracking)
            result["sources"] = [_known(source) for source in sources]
            result["selected"] = chronyc.selected(sources)
            result["error_bound_s"] = chronyc.error_bound_s(tracking)
        else:
            idle = "restarting" if "chronyd" in self.restarting else "stopped"
            result["status"] = "denied" if active else idle
            if active:
                self.missing.append(
                    "chronyd runs but does not answer: {0}.".format(report.error_line())
                )
        version = chronyc.parse_version(outcomes["chronyd"].out) if "chronyd" in outcomes else None
        if version:
            result["version"] = version
        result.update(_known(self.chrony_settings(outcomes, pid)))
        return result

    def chrony_settings(self, outcomes, pid):
        settings = {}
        config = self.chrony_config()
        if config not in daemon.CONFIGS:
            settings["config"] = config
        printed = outcomes.get("config")
        if printed is None:
            return settings
        if printed.ok:
            settings["refclocks"] = chronyc.parse_refclocks(printed.out)
        else:
            settings["config_error"] = printed.error_line()
            self.missing.append("chronyd does not read its configuration: " + printed.error_line())
        identity = system.process_identity(self.tree, pid) if pid else None
        settings.update(identity or {})
        settings["uptime_s"] = system.process_uptime_s(self.tree, pid) if pid else None
        settings["missing_devices"] = self.missing_devices(settings.get("refclocks", [])) or None
        return settings

    def missing_devices(self, refclocks):
        """Refclock devices that do not exist, including those that chronyd is not given now."""
        listed = chronyc.parse_refclocks(self.tree.text(refclock_unit.LIST) or "")
        devices = {r["device"] for r in refclocks + listed if r["driver"] == "PHC"}
        devices = sorted(device for device in devices if not self.tree.exists(device))
        for device in devices:
            self.missing.append(
                "{0} of chrony's configuration does not exist{1}.".format(
                    device,
                    ", so chronyd fails and restarts" if "chronyd" in self.restarting else "",
                )
            )
        return devices

    # The driver and the kernels.

    def driver_facts(self, outcomes):
        base = "/sys/module/" + self.driver
        loaded = self.tree.is_dir(base)
        result = {"name": self.driver, "loaded": loaded}
        if loaded:
            result["loaded_version"] = self.tree.line(base + "/version")
            result["loaded_srcversion"] = self.tree.line(base + "/srcversion")
            result["taint"] = self.tree.line(base + "/taint")
            result["load_id"] = self.tree.inode(base)
        modinfo = outcomes.get("modinfo")
        if modinfo is None:
            self.missing.append("There is no modinfo, so the installed driver is unknown.")
        elif modinfo.ok:
            fields = system.parse_modinfo(modinfo.out)
            result["installed_version"] = fields.get("version")
            result["installed_srcversion"] = fields.get("srcversion")
            result["signer"] = fields.get("signer") or None
        result = _known(result)
        records = status.read_tree(self.tree, self.driver)[:DKMS_LIMIT]
        keys = ("version", "kernel", "arch", "state")
        result["dkms"] = [{key: r[key] for key in keys if r[key]} for r in records]
        return result

    def kernel(self, outcomes):
        releases = self.bootable()
        result = {
            "running": self.running,
            "next": boot_order.next_to_boot(self.tree, releases),
            "headers_meta": headers.headers_meta(self.tree, self.running),
            "bootable": [],
        }
        visible = bool(self.tree.names("/lib/modules"))
        for release in releases:
            record = {
                "release": release,
                "has_headers": kernels.has_headers(self.tree, release),
                "headers_package": headers.headers_package(self.tree, release),
            }
            asked = outcomes.get("modinfo " + release)
            # A sandbox may hide every module; then a missing one proves nothing.
            if asked is not None and asked.problem is None and (asked.rc == 0 or visible):
                record["has_module"] = asked.rc == 0
            result["bootable"].append(record)
        result["reboot_pending"] = result["next"] != self.running or self.tree.exists(
            "/run/reboot-required"
        )
        return result


def _known(record):
    return {key: value for key, value in record.items() if value is not None}
