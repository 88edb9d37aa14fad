# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what chrony makes of its clocks."""

import re

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    Unseen,
    critical,
    dig,
    name_of,
    number,
    records,
    text,
    texts,
    warning,
)

FULL_REACH = 0o377
REFCLOCK = "#"
UNSYNCHRONISED = "Not synchronised"
LEAPS = ("Normal", "Insert second", "Delete second", UNSYNCHRONISED)
NS = 1000000000


def _sources(host):
    host.need_tracking()
    return records(host.facts, "chrony", "sources")


def _selected(host):
    for source in _sources(host):
        if text(source, "state") == "*":
            return source
    return None


def _is_phc(host, source):
    """A refclock of the PHC driver; any refclock where the configuration cannot be seen."""
    if text(source, "mode") != REFCLOCK:
        return False
    refids = [text(r, "refid") for r in host.refclocks()]
    return not refids or None in refids or text(source, "name") in refids


def _phc(host):
    for source in sorted(_sources(host), key=lambda s: text(s, "state") != "*"):
        if _is_phc(host, source):
            return source
    return None


def time_daemon(host):
    daemons = dig(host.facts, "time_daemons")
    if not isinstance(daemons, list):
        raise Unseen("the time daemons are not told", True)
    daemons = texts(host.facts, "time_daemons")
    if not daemons:
        yield critical("No daemon keeps the system clock.", 0, 1, state="UNSYNCED")
    elif len(daemons) > 1:
        yield warning("{0} steer one clock.".format(", ".join(daemons)), len(daemons), 1)


def chrony_source(host):
    if text(host.facts, "chrony", "status") in {"absent", "stopped"}:
        daemons = texts(host.facts, "time_daemons")
        if daemons:
            yield warning("Time comes from {0}, not from the PHC.".format(daemons[0]), daemons[0])
            return
        raise Unseen("chrony does not run")
    source = _selected(host)
    if source is None:
        yield critical("chrony has selected no source.", None, None, state="UNSYNCED")
    elif not _is_phc(host, source):
        yield warning(
            "chrony has selected {0}, not the PHC.".format(text(source, "name")),
            text(source, "name"),
        )


def leap_status(host):
    leap = text(host.need_tracking(), "leap")
    if leap not in LEAPS:
        raise Unseen("the leap status is not told", True)
    if leap == UNSYNCHRONISED:
        yield critical("chrony says that it is not synchronised.", leap, None, state="UNSYNCED")


def stratum(host):
    value = number(host.need_tracking(), "stratum")
    if value is None:
        raise Unseen("the stratum is not told", True)
    if value <= 0 or value >= 16:
        yield critical("chrony's stratum is {0}.".format(value), value, None, state="UNSYNCED")


def reach(host):
    source = _phc(host) or _selected(host)
    value = number(source, "reach")
    if value is None:
        raise Unseen("there is no source whose reach could be told")
    message = "{0} was read in {1} of the last 8 polls.".format(
        text(source, "name"), bin(int(value) & FULL_REACH).count("1")
    )
    if value == 0:
        yield critical(message, 0, 8)
    elif value != FULL_REACH:
        yield warning(message, bin(int(value) & FULL_REACH).count("1"), 8)


def skew(host):
    value = number(host.need_tracking(), "skew_ppm")
    if value is None:
        raise Unseen("the skew is not told")
    if value > host.limits["skew_warn_ppm"]:
        yield warning(
            "chrony knows the frequency to {0} ppm only.".format(value),
            value,
            host.limits["skew_warn_ppm"],
        )


def update_age(host):
    tracking = host.need_tracking()
    updated_s, interval_s = number(tracking, "ref_time_s"), number(tracking, "update_interval_s")
    taken_s = number(host.facts, "taken_at_s")
    if updated_s is None or interval_s is None or taken_s is None:
        raise Unseen("the last update is not told", True)
    limit_s = max(host.limits["update_age_intervals"] * interval_s, host.limits["update_age_min_s"])
    age_s = round(max(0.0, taken_s - updated_s), 1)
    if age_s > limit_s:
        yield warning(
            "chrony last updated the clock {0} s ago.".format(age_s),
            age_s,
            limit_s,
            state="FREERUNNING",
        )


def error_bound_ns(host):
    """B: chrony's own bound and the clock's assumed error, in ns; None if it is not known."""
    bound_s = number(host.facts, "chrony", "error_bound_s")
    if bound_s is None or bound_s < 0:
        return None
    return int(round(bound_s * NS)) + host.limits["phc_error_ns"]


def error_bound(host):
    host.need_tracking()
    bound_ns = error_bound_ns(host)
    if bound_ns is None:
        raise Unseen("the error bound is not known", True)
    message = "The system clock is right within {0} ns, {1} ns of it assumed.".format(
        bound_ns, host.limits["phc_error_ns"]
    )
    if bound_ns > host.limits["error_bound_critical_ns"]:
        yield critical(message, bound_ns, host.limits["error_bound_critical_ns"])
    elif bound_ns > host.limits["error_bound_warn_ns"]:
        yield warning(message, bound_ns, host.limits["error_bound_warn_ns"])


def phc_against_ntp(host):
    phc = _phc(host)
    offset_s, error_s = number(phc, "offset_s"), number(phc, "error_s")
    if offset_s is None or error_s is None:
        raise Unseen("chrony has no PHC as a source")
    apart = []
    for source in _sources(host):
        ntp_s, ntp_error_s = number(source, "offset_s"), number(source, "error_s")
        if (
            text(source, "mode") == "^"
            and number(source, "reach")
            and None not in {ntp_s, ntp_error_s}
        ):
            difference_ns = int(round(abs(offset_s - ntp_s) * NS))
            apart.append((difference_ns, int(round((error_s + ntp_error_s) * NS))))
    if not apart:
        raise Unseen("no NTP source is reachable")
    # A single wrong server among many is not the PHC's fault, so the median speaks.
    difference_ns, bounds_ns = sorted(apart)[(len(apart) - 1) // 2]
    message = "The PHC and NTP are {0} ns apart.".format(difference_ns)
    if difference_ns >= host.limits["phc_ntp_critical_ns"]:
        yield critical(message, difference_ns, host.limits["phc_ntp_critical_ns"])
    elif difference_ns > bounds_ns:
        yield warning(message, difference_ns, bounds_ns)


def refclock_device(host):
    refclocks = host.refclocks()
    if not refclocks:
        raise Unseen("chrony's configuration names no PHC, or cannot be seen")
    known = {}
    for clock in records(host.facts, "clocks"):
        for path in [text(clock, "node")] + texts(clock, "links"):
            known[path] = clock
    for refclock in refclocks:
        device = text(refclock, "device") or ""
        clock = known.get(device)
        if clock is not None and text(clock, "kind") != "cipu" and host.clocks():
            yield critical("chrony reads {0}, which is not the CIPU clock.".format(device), device)
        elif re.match(r"/dev/ptp[0-9]+$", device):
            yield warning(
                "chrony reads {0}, a number that may name another clock after a boot.".format(
                    device
                ),
                device,
            )


def device_access(host):
    user = text(host.facts, "chrony", "user")
    devices = [text(refclock, "device") for refclock in host.refclocks()]
    if not devices:
        raise Unseen("chrony's configuration names no PHC, or cannot be seen")
    if user is None:
        raise Unseen("the user that chronyd runs as is not told")
    for clock in host.need_clocks():
        if not {text(clock, "node"), *texts(clock, "links")} & set(devices):
            continue
        mode = text(clock, "mode")
        if mode is None or not re.match(r"[0-7]{3,4}$", mode):
            raise Unseen("the mode of {0} is not told".format(name_of(clock)))
        bits = int(mode, 8)
        groups = texts(host.facts, "chrony", "groups")
        if user == text(clock, "owner"):
            allowed = bits & 0o400
        elif text(clock, "group") in groups:
            allowed = bits & 0o040
        else:
            allowed = bits & 0o004
        if not allowed and user != "root":
            yield critical(
                "{0} belongs to {1}:{2} with mode {3}; chronyd runs as {4}.".format(
                    name_of(clock), text(clock, "owner"), text(clock, "group"), mode, user
                ),
                mode,
                clock=name_of(clock),
            )
