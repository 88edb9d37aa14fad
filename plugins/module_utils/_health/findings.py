# SPDX-License-Identifier: GPL-3.0-or-later
"""Building blocks of checks: lookups in admitted facts, findings, comparison with earlier facts."""

from ansible_collections.cipu.clock.plugins.module_utils._host.typed import shown

SEVERITIES = ("ok", "warning", "unknown", "critical")
# A rollout waits for, and does not accept, a host of one of these.
UNHEALTHY = ("critical", "unknown")
STATES = ("OK", "DEGRADED", "UNKNOWN", "FREERUNNING", "DISRUPTED", "UNSYNCED")
# A host without a CIPU clock has neither: it is outside both orders.
NOT_APPLICABLE = "not_applicable"
HOST_SEVERITIES = SEVERITIES + (NOT_APPLICABLE,)
HOST_STATES = STATES + (NOT_APPLICABLE.upper(),)

MESSAGE_LIMIT = 300
# States of chrony in which there is no daemon to ask.
NOT_RUNNING = ("absent", "stopped", "restarting")


class Unseen(Exception):
    """The source of a check is missing. Essential: without it no host is OK."""

    def __init__(self, message, essential=False):
        Exception.__init__(self, message)
        self.message = message
        self.essential = essential


def finding(severity, message, value=None, limit=None, state="DEGRADED", clock=None):
    return {
        "severity": severity,
        # The message contains names that come from the host.
        "message": shown(message, MESSAGE_LIMIT),
        "value": value,
        "limit": limit,
        "state": state,
        "clock": clock,
    }


def warning(message, value=None, limit=None, state="DEGRADED", clock=None):
    return finding("warning", message, value, limit, state, clock)


def critical(message, value=None, limit=None, state="DEGRADED", clock=None):
    return finding("critical", message, value, limit, state, clock)


def get(record, *path):
    """The value at a path of keys; None if a key is missing."""
    for key in path:
        if record is None:
            return None
        record = record.get(key)
    return record


def each(record, *path):
    """The list at a path of keys; empty where it is missing."""
    return get(record, *path) or []


def name_of(clock):
    return get(clock, "node") or get(clock, "pci_address") or "a CIPU clock"


class Host:
    """Admitted facts of one host, earlier ones of the same boot or {}, thresholds, current time."""

    def __init__(self, facts, previous, limits, now_s):
        self.facts = facts
        self.previous = previous
        self.limits = limits
        self.now_s = now_s

    def clocks(self):
        return [clock for clock in self.facts["clocks"] if get(clock, "kind") == "cipu"]

    def clock_at(self, device):
        """The clock that a device path names, or None."""
        for clock in self.facts["clocks"]:
            if device == get(clock, "node") or device in each(clock, "links"):
                return clock
        return None

    def cipu_expected(self):
        """Whether the host has a CIPU clock, had one, or is configured to use one.

        If clockprobe is installed and fails, this is unknown, and the host counts as having one.
        """
        return bool(
            self.clocks()
            or self.facts["probe"]["status"] == "failed"
            or self.facts["functions"]
            or each(self.previous, "functions")
            or self.cipu_configured()
        )

    def cipu_configured(self):
        """Whether chrony is configured to use a CIPU clock, even if its device is missing."""
        devices = [refclock["device"] for refclock in self.refclocks()]
        devices += each(self.facts, "chrony", "missing_devices")
        return any("cipu" in device for device in devices)

    def refclocks(self):
        """The PHC refclocks of chrony's configuration."""
        return [r for r in each(self.facts, "chrony", "refclocks") if r["driver"] == "PHC"]

    def need_clocks(self):
        status = self.facts["probe"]["status"]
        if status != "ok":
            raise Unseen("the clocks were not read: clockprobe is {0}".format(status), True)
        return self.clocks()

    def need_tracking(self):
        tracking = get(self.facts, "chrony", "tracking")
        if tracking is None:
            status = self.facts["chrony"]["status"]
            # Other checks report a chrony that does not run. If it runs and does not answer, its
            # state is unknown.
            known = status in NOT_RUNNING
            raise Unseen("chrony does not answer: it is {0}".format(status), not known)
        return tracking

    def since_s(self):
        """Seconds since the previous facts; None if there are none to compare with."""
        then_s = get(self.previous, "taken_at_s")
        if then_s is None or self.facts["taken_at_s"] <= then_s:
            return None
        return self.facts["taken_at_s"] - then_s

    def before(self, clock):
        """The same clock in the previous facts, if its counters were not reset in between."""
        if self.since_s() is None:
            return None
        loads = [get(facts, "driver", "load_id") for facts in (self.facts, self.previous)]
        if None not in loads and loads[0] != loads[1]:
            return None
        address = get(clock, "pci_address")
        for other in self.previous["clocks"]:
            if address is None or get(other, "pci_address") != address:
                continue
            if get(other, "instance") != get(clock, "instance") or _went_down(clock, other):
                return None
            return other
        return None

    def deltas(self, clock):
        """Increase of each counter since the previous facts; Unseen where that has no meaning."""
        before = self.before(clock)
        if before is None:
            raise Unseen("there are no previous facts to compare with")
        return {
            name: count - _counters(before)[name]
            for name, count in _counters(clock).items()
            if name in _counters(before)
        }


def _counters(clock):
    return get(clock, "cipu", "counters") or {}


def _went_down(clock, before):
    then = _counters(before)
    return any(count < then.get(name, 0) for name, count in _counters(clock).items())
