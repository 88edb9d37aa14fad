# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the part of /proc and /sys that concerns the time of a host."""

import grp
import os
import pwd
import re

from ansible_collections.cipu.clock.plugins.module_utils._host import units

CIPU_IDS = ("0x1ded", "0x500c")
# Start of the name under which a driver registers its clock -> its kind, as in clockprobe.
KINDS = (
    ("ptp_cipu", "cipu"),
    ("vmclock", "vmclock"),
    ("KVM virtual PTP", "kvm"),
    ("hyperv", "hyperv"),
    ("ena-ptp-", "ena"),
    ("ptp_vmw", "vmware"),
    ("gve", "gve"),
)
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
FUNCTIONS_LIMIT = 8
CLOCKS_LIMIT = 8
LINKS_LIMIT = 8
TEXT_LIMIT = 160
STAT_LIMIT = 1024
# Field 22 of /proc/PID/stat, counted from the first one after the name of the process.
START_TIME = 19

# Time daemons by their name in /proc/PID/comm, which is cut at 15 characters.
TIME_PROCESSES = {
    "chronyd": "chronyd",
    "ntpd": "ntpd",
    "ntp-daemon": "ntpd-rs",
    "systemd-timesyn": "timesyncd",
    "phc2sys": "phc2sys",
    "timemaster": "timemaster",
}


def steal(tree):
    """Ticks stolen by the hypervisor and total ticks since boot, from /proc/stat."""
    fields = (tree.line("/proc/stat") or "").split()
    if len(fields) < 9 or fields[0] != "cpu" or not all(f.isdigit() for f in fields[1:9]):
        return None
    ticks = [int(field) for field in fields[1:9]]
    return {"stolen_ticks": ticks[7], "total_ticks": sum(ticks)}


def cipu_functions(tree):
    """CIPU functions on the PCI bus, found without clockprobe."""
    found = []
    for address in tree.names("/sys/bus/pci/devices"):
        base = "/sys/bus/pci/devices/" + address
        ids = (tree.line(base + "/vendor"), tree.line(base + "/device"))
        if ids != CIPU_IDS:
            continue
        function = {"pci_address": address}
        driver = tree.link(base + "/driver")
        if driver:
            function["driver"] = driver.rsplit("/", 1)[-1]
        found.append(function)
    return found[:FUNCTIONS_LIMIT]


def ptp_clocks(tree):
    """PTP clocks of the kernel without a measurement, found without clockprobe."""
    links = {}
    for name in tree.names("/dev"):
        target = (tree.link("/dev/" + name) or "").rsplit("/", 1)[-1]
        if name.startswith("ptp_") and target:
            links.setdefault(target, []).append("/dev/" + name)
    found = []
    for entry in tree.names("/sys/class/ptp"):
        name = tree.line("/sys/class/ptp/{0}/clock_name".format(entry))
        if name is None or not entry[3:].isdigit():
            continue
        clock = {"node": "/dev/" + entry, "index": int(entry[3:]), "name": name[:TEXT_LIMIT]}
        clock["kind"] = next((kind for start, kind in KINDS if name.startswith(start)), "unknown")
        clock["links"] = links.get(entry, [])[:LINKS_LIMIT]
        found.append(clock)
    found.sort(key=lambda clock: (clock["kind"] != "cipu", clock["index"]))
    return found[:CLOCKS_LIMIT]


def secure_boot(tree):
    """Secure Boot, lockdown mode, enforcement of signatures; unknown values are left out."""
    state = {}
    variable = tree.raw(SECURE_BOOT, 16)
    if variable is not None and len(variable) == 5:
        state["enabled"] = variable[4] == 1
    elif not tree.is_dir("/sys/firmware/efi"):
        state["enabled"] = False
    lockdown = re.search(r"\[([a-z]+)\]", tree.line("/sys/kernel/security/lockdown") or "")
    if lockdown:
        state["lockdown"] = lockdown.group(1)
    enforce = tree.line("/sys/module/module/parameters/sig_enforce")
    if enforce is not None:
        state["signature_enforced"] = enforce == "Y"
    return state


def parse_units(text):
    """Output of `systemctl show` for the time units.

    Two results: name of each running daemon -> its main process id, and the names of daemons that
    fail and that systemd restarts repeatedly.
    """
    active, restarting = {}, set()
    for unit, fields in units.parse_show(text).items():
        name = units.daemon(unit)
        if name and units.runs(fields):
            active[name] = active.get(name) or units.main_pid(fields)
        elif name and units.restarts(fields):
            restarting.add(name)
    return active, restarting - set(active)


def time_instances(text):
    """Running units of templates such as phc2sys@eth0.service, whose names differ by host."""
    shown = units.parse_show(text)
    names = [name for name in shown if "@" in name and units.daemon(name)]
    return sorted(name[:TEXT_LIMIT] for name in names if units.runs(shown[name]))[:CLOCKS_LIMIT]


def time_processes(tree):
    """Process id of each running daemon, from /proc.

    Of several processes with one name, that of the daemon's systemd unit counts. Those of other
    units never count: they are in containers, or serve time with a configuration of their own.
    """
    active, of_unit = {}, set()
    for pid in sorted(int(entry) for entry in tree.names("/proc") if entry.isdigit()):
        name = TIME_PROCESSES.get(tree.line("/proc/{0}/comm".format(pid)) or "")
        if not name or name in of_unit:
            continue
        unit = unit_of(tree, pid)
        if units.daemon(unit) == name:
            of_unit.add(name)
            active[name] = pid
        elif not unit:
            active.setdefault(name, pid)
    return active


def unit_of(tree, pid):
    """The unit of system.slice that a process belongs to, or an empty string."""
    for line in (tree.text("/proc/{0}/cgroup".format(pid)) or "").splitlines():
        found = re.match(r"[0-9]+:(?:name=systemd)?:/system\.slice/([^/]+)$", line)
        if found:
            return found.group(1)
    return ""


def process_identity(tree, pid):
    """User and groups, by name, that a process runs as."""
    status = tree.text("/proc/{0}/status".format(pid)) or ""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    uids, gids = fields.get("Uid", "").split(), fields.get("Gid", "").split()
    if len(uids) < 2 or len(gids) < 2:
        return None
    groups = {gids[1]} | set(fields.get("Groups", "").split())
    return {
        "user": user_name(uids[1]),
        "groups": sorted(group_name(gid) for gid in groups)[:16],
    }


def process_uptime_s(tree, pid):
    """Whole seconds since a process started, with those of a suspended host; None if unknown."""
    status = tree.line("/proc/{0}/stat".format(pid), STAT_LIMIT) or ""
    uptime = (tree.line("/proc/uptime") or "").split()
    # The name of the process is in parentheses and may contain blanks and parentheses.
    fields = status.rpartition(")")[2].split()
    try:
        started_s = int(fields[START_TIME]) / float(os.sysconf("SC_CLK_TCK"))
        return max(0, int(float(uptime[0]) - started_s))
    except (IndexError, ValueError):
        return None


def user_name(uid):
    """Name of a user; its number, as text, where it has no name."""
    try:
        return pwd.getpwuid(int(uid)).pw_name
    except (KeyError, ValueError, OverflowError):
        return str(uid)


def group_name(gid):
    """Name of a group; its number, as text, where it has no name."""
    try:
        return grp.getgrgid(int(gid)).gr_name
    except (KeyError, ValueError, OverflowError):
        return str(gid)


def parse_modinfo(text):
    """The fields of modinfo that facts need; the first of a name counts."""
    fields = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name in {"filename", "version", "srcversion", "signer"}:
            fields.setdefault(name, value.strip()[:160])
    return fields
