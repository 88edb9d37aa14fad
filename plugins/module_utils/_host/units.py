# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units that set the system clock: their names, and the state systemd reports for them."""

import re

# Unit -> name of the daemon in facts. A template counts for each of its instances.
TIME_UNITS = {
    "chrony.service": "chronyd",
    "chronyd.service": "chronyd",
    "chronyd-restricted.service": "chronyd",
    "ntp.service": "ntpd",
    "ntpd.service": "ntpd",
    "ntpsec.service": "ntpd",
    "ntpd-rs.service": "ntpd-rs",
    "openntpd.service": "openntpd",
    "systemd-timesyncd.service": "timesyncd",
    "phc2sys.service": "phc2sys",
    "timemaster.service": "timemaster",
}
TEMPLATES = {"phc2sys@": "phc2sys"}
# Arguments of `systemctl show`. Names that contain a pattern match loaded units only.
SHOWN = sorted(TIME_UNITS) + ["{0}*.service".format(name) for name in sorted(TEMPLATES)]
PROPERTIES = "Id,Names,LoadState,ActiveState,SubState,UnitFileState,MainPID"
# A daemon that fails and that systemd restarts repeatedly is `activating`, too.
RUNNING = {"active", "reloading", "refreshing"}
RESTARTING = {"auto-restart", "auto-restart-queued"}


def daemon(unit):
    """Name of the time daemon that a unit runs, or None."""
    if unit in TIME_UNITS:
        return TIME_UNITS[unit]
    template = re.match(r"([^@]+@).+\.service$", unit)
    return TEMPLATES.get(template.group(1)) if template else None


def parse_show(text):
    """Output of `systemctl show -p PROPERTIES`: unit -> its properties, each unit once."""
    units = {}
    for block in text.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if fields.get("Id"):
            units.setdefault(fields["Id"], fields)
    return units


def runs(fields):
    """Whether a daemon runs or starts. One that waits for a restart after a failure does not."""
    state = fields.get("ActiveState")
    return state in RUNNING or (
        state == "activating" and fields.get("SubState") not in RESTARTING and main_pid(fields) > 0
    )


def restarts(fields):
    """Whether systemd is about to start a daemon again after it failed."""
    return fields.get("ActiveState") == "activating" and fields.get("SubState") in RESTARTING


def main_pid(fields):
    pid = fields.get("MainPID", "0")
    return int(pid) if pid.isdigit() else 0
