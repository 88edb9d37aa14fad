# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks are made of: typed looks into facts, findings, and facts before."""

SEVERITIES = ("ok", "warning", "unknown", "critical")
STATES = ("OK", "DEGRADED", "UNKNOWN", "FREERUNNING", "DISRUPTED", "UNSYNCED")

MESSAGE_LIMIT = 300


class Unseen(Exception):
    """A check's source is not there. Essential: without it nobody can call the host OK."""

    def __init__(self, message, essential=False):
        Exception.__init__(self, message)
        self.message = message
        self.essential = essential


def finding(severity, message, value=None, limit=None, state="DEGRADED", clock=None):
    return {
        "severity": severity,
        "message": message[:MESSAGE_LIMIT],
        "value": value,
        "limit": limit,
        "state": state,
        "clock": clock,
    }


def warning(message, value=None, limit=None, state="DEGRADED", clock=None):
    return finding("warning", message, value, limit, state, clock)


def critical(message, value=None, limit=None, state="DEGRADED", clock=None):
    return finding("critical", message, value, limit, state, clock)


def dig(record, *path):
    for key in path:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def number(record, *path):
    """A finite number, or None. Facts are another machine's word: no type is trusted."""
    value = dig(record, *path)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -1e30 < value < 1e30 else None


def text(record, *path):
    value = dig(record, *path)
    return value if isinstance(value, str) else None


def flag(record, *path):
    value = dig(record, *path)
    return value if isinstance(value, bool) else None


def records(record, *path):
    value = dig(record, *path)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def texts(record, *path):
    value = dig(record, *path)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def name_of(clock):
    return text(clock, "node") or text(clock, "pci_address") or "a CIPU clock"


class Host:
    """The facts of one host, those before, the thresholds, and the judge's own time."""

    def __init__(self, facts, previous, limits, now_s):
        self.facts = facts if isinstance(facts, dict) else {}
        self.previous = previous if isinstance(previous, dict) else {}
        self.limits = limits
        self.now_s = now_s

    def clocks(self):
        return [c for c in records(self.facts, "clocks") if text(c, "kind") == "cipu"]

    def cipu_expected(self):
        """Whether the host has, had, or is told to use a CIPU clock."""
        return bool(
            self.clocks()
            or records(self.facts, "functions")
            or records(self.previous, "functions")
            or self.refclocks_of_cipu()
        )

    def refclocks(self):
        return [r for r in records(self.facts, "chrony", "refclocks") if text(r, "driver") == "PHC"]

    def refclocks_of_cipu(self):
        return [r for r in self.refclocks() if "cipu" in (text(r, "device") or "")]

    def need_clocks(self):
        status = text(self.facts, "probe", "status")
        if status != "ok":
            raise Unseen("the clocks were not read: clockprobe is {0}".format(status), True)
        return self.clocks()

    def need_tracking(self):
        tracking = dig(self.facts, "chrony", "tracking")
        if not isinstance(tracking, dict):
            status = text(self.facts, "chrony", "status")
            # Where there is no chrony, or it stands still, other checks say so. Where it runs and
            # does not answer, nobody knows.
            known = status in {"absent", "stopped"}
            raise Unseen("chrony does not answer: it is {0}".format(status), not known)
        return tracking

    def same_boot(self):
        boot_id = text(self.facts, "boot_id")
        return boot_id is not None and boot_id == text(self.previous, "boot_id")

    def since_s(self):
        """Seconds between the facts before and these; None if there is no comparison."""
        now_s, then_s = number(self.facts, "taken_at_s"), number(self.previous, "taken_at_s")
        if not self.same_boot() or None in {now_s, then_s} or now_s <= then_s:
            return None
        return now_s - then_s

    def before(self, clock):
        """The same clock in the facts before, if its counters still count from the same zero."""
        if self.since_s() is None:
            return None
        loads = [number(f, "driver", "load_id") for f in (self.facts, self.previous)]
        if None not in loads and loads[0] != loads[1]:
            return None
        address = text(clock, "pci_address")
        for other in records(self.previous, "clocks"):
            if address is None or text(other, "pci_address") != address:
                continue
            if number(other, "instance") != number(clock, "instance"):
                return None
            return None if _went_down(clock, other) else other
        return None

    def deltas(self, clock):
        """How far each counter went since the facts before; raises where that has no meaning."""
        before = self.before(clock)
        if before is None:
            raise Unseen("there are no facts before to compare with")
        return {
            name: count - number(before, "cipu", "counters", name)
            for name, count in _counters(clock).items()
            if number(before, "cipu", "counters", name) is not None
        }


def _counters(clock):
    counters = dig(clock, "cipu", "counters")
    names = sorted(counters) if isinstance(counters, dict) else []
    return {name: number(counters, name) for name in names if number(counters, name) is not None}


def _went_down(clock, before):
    return any(
        number(before, "cipu", "counters", name) is not None
        and count < number(before, "cipu", "counters", name)
        for name, count in _counters(clock).items()
    )
