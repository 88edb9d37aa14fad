# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of chrony: its daemon, sources, error bound and configuration."""

import re

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    NOT_RUNNING,
    Unseen,
    critical,
    each,
    get,
    name_of,
    warning,
)

# A full list of sources, also of collectors that list fewer.
SOURCES_FULL = 16
POLLS = 8
FULL_REACH = 0o377
REFCLOCK = "#"
UNSYNCHRONISED = "Not synchronised"
LEAPS = ("Normal", "Insert second", "Delete second", UNSYNCHRONISED)
NS = 1000000000


def _sources(host):
    host.need_tracking()
    return each(host.facts, "chrony", "sources")


def _selected(host):
    """The source that chrony has selected; None: it has selected none."""
    sources = _sources(host)
    for source in sources:
        if get(source, "state") == "*":
            return source
    # The facts list a limited number of sources. If the list is full, the selected one may be
    # missing from it, and tracking still names it.
    name = get(host.facts, "chrony", "tracking", "source")
    listed = {get(source, "name") for source in sources}
    if len(sources) >= SOURCES_FULL and name and name not in listed:
        return {"mode": "^", "state": "*", "name": name}
    return None


def _refids(host):
    """The refids of the refclocks of the CIPU clock; of all PHC refclocks if none is of it."""
    refids, of_cipu = [], []
    for index, refclock in enumerate(each(host.facts, "chrony", "refclocks")):
        if refclock["driver"] != "PHC":
            continue
        # chrony names a refclock without a refid by its driver and its number.
        refids.append(get(refclock, "refid") or "PHC{0}".format(index))
        clock = host.clock_at(refclock["device"])
        kind = get(clock, "kind") if clock else None
        if kind == "cipu" or (clock is None and "cipu" in refclock["device"]):
            of_cipu.append(refids[-1])
    return of_cipu or refids


def _is_phc(host, source):
    """A refclock of the CIPU clock; any refclock where the configuration is not known."""
    refids = _refids(host)
    return get(source, "mode") == REFCLOCK and (not refids or get(source, "name") in refids)


def _phc(host):
    for source in sorted(_sources(host), key=lambda source: get(source, "state") != "*"):
        if _is_phc(host, source):
            return source
    return None


def _missing_devices(host):
    """Devices that chrony's configuration names and that do not exist."""
    reported = get(host.facts, "chrony", "missing_devices")
    if reported is not None:
        return reported
    devices = [refclock["device"] for refclock in host.refclocks()]
    return [device for device in devices if host.clock_at(device) is None]


def time_daemon(host):
    daemons = host.facts["time_daemons"]
    if not daemons:
        message = "No time daemon runs."
        if host.facts["chrony"]["status"] == "restarting":
            message += " chronyd fails and is restarted repeatedly."
        missing = _missing_devices(host)
        if missing:
            message += " chrony's refclock device {0} does not exist.".format(missing[0])
        yield critical(message, 0, 1, state="UNSYNCED")
    elif len(daemons) > 1:
        message = "Several time daemons run: {0}.".format(", ".join(daemons))
        yield warning(message, len(daemons), 1)


def chrony_source(host):
    if host.facts["chrony"]["status"] in NOT_RUNNING:
        daemons = host.facts["time_daemons"]
        if daemons:
            message = "The system clock follows {0}, not the PHC.".format(daemons[0])
            yield warning(message, daemons[0])
            return
        raise Unseen("chrony does not run")
    source = _selected(host)
    if source is None:
        yield critical("chrony has selected no source.", None, None, state="UNSYNCED")
    elif not _is_phc(host, source):
        name = get(source, "name")
        yield warning("chrony has selected {0}, not the PHC.".format(name), name)


def leap_status(host):
    leap = get(host.need_tracking(), "leap")
    if leap not in LEAPS:
        raise Unseen("the leap status is not reported", True)
    if leap == UNSYNCHRONISED:
        yield critical("chrony is not synchronised.", leap, None, state="UNSYNCED")


def stratum(host):
    value = get(host.need_tracking(), "stratum")
    if value is None:
        raise Unseen("the stratum is not reported", True)
    if value <= 0 or value >= 16:
        yield critical("chrony's stratum is {0}.".format(value), value, None, state="UNSYNCED")


def reach_polls(chrony, source):
    """Numbers of answered and of all polls in a source's reach register: of the last 8, or fewer
    after a start of chronyd.

    The time since the start is an upper limit. The latest of these polls may not have ended.
    """
    value = source["reach"] & FULL_REACH
    answered = bin(value).count("1")
    uptime_s, poll_log2_s = get(chrony, "uptime_s"), get(source, "poll")
    if uptime_s is None or poll_log2_s is None:
        return answered, POLLS
    ended = int(min(POLLS + 1, uptime_s / 2.0**poll_log2_s)) - 1
    return answered, min(POLLS, max(ended, value.bit_length()))


def reach(host):
    source = _phc(host) or _selected(host)
    value = get(source, "reach")
    if value is None:
        raise Unseen("there is no source whose reach is known")
    value &= FULL_REACH
    answered, made = reach_polls(get(host.facts, "chrony"), source)
    if made <= 0:
        raise Unseen("{0} was not polled yet since chronyd started".format(get(source, "name")))
    message = "{0} answered {1} of the last {2} polls.".format(get(source, "name"), answered, made)
    if value == 0:
        yield critical(message, 100.0, 100.0)
    # A register of ones alone is still filling after a start: no poll failed.
    elif value & (value + 1):
        missed_pct = 100.0 * (made - answered) / POLLS
        limit_pct = host.limits["reach_missed_warn_pct"]
        if missed_pct > limit_pct:
            yield warning(message, missed_pct, limit_pct)


def skew(host):
    value = get(host.need_tracking(), "skew_ppm")
    if value is None:
        raise Unseen("the skew is not reported")
    limit = host.limits["skew_warn_ppm"]
    if value > limit:
        message = "chrony knows the frequency only to within {0} ppm.".format(value)
        yield warning(message, value, limit)


def update_age(host):
    tracking = host.need_tracking()
    updated_s, interval_s = get(tracking, "ref_time_s"), get(tracking, "update_interval_s")
    if updated_s is None or interval_s is None:
        raise Unseen("the last update is not reported", True)
    limit_s = max(host.limits["update_age_intervals"] * interval_s, host.limits["update_age_min_s"])
    age_s = round(max(0.0, host.facts["taken_at_s"] - updated_s), 1)
    if age_s > limit_s:
        yield warning(
            "chrony last updated the clock {0} s ago.".format(age_s),
            age_s,
            limit_s,
            state="FREERUNNING",
        )


def error_bound_ns(host):
    """chrony's own error bound plus the assumed error of the clock, in ns; None if unknown."""
    bound_s = get(host.facts, "chrony", "error_bound_s")
    if bound_s is None:
        return None
    return int(round(bound_s * NS)) + host.limits["phc_error_ns"]


def error_bound(host):
    host.need_tracking()
    bound_ns = error_bound_ns(host)
    if bound_ns is None:
        raise Unseen("the error bound is not known", True)
    message = "The error bound of the system clock is {0} ns, of which {1} ns are assumed.".format(
        bound_ns, host.limits["phc_error_ns"]
    )
    if bound_ns > host.limits["error_bound_critical_ns"]:
        yield critical(message, bound_ns, host.limits["error_bound_critical_ns"])
    elif bound_ns > host.limits["error_bound_warn_ns"]:
        yield warning(message, bound_ns, host.limits["error_bound_warn_ns"])


def phc_against_ntp(host):
    phc = _phc(host)
    offset_s, error_s = get(phc, "offset_s"), get(phc, "error_s")
    if offset_s is None or error_s is None or not get(phc, "reach"):
        raise Unseen("chrony has no PHC source that answers")
    apart = []
    for source in _sources(host):
        ntp_s, ntp_error_s = get(source, "offset_s"), get(source, "error_s")
        if get(source, "mode") == "^" and get(source, "reach") and None not in {ntp_s, ntp_error_s}:
            difference_ns = int(round(abs(offset_s - ntp_s) * NS))
            apart.append((difference_ns, int(round((error_s + ntp_error_s) * NS))))
    if not apart:
        raise Unseen("no NTP source is reachable")
    # The median, since a single wrong server among many says nothing about the PHC.
    difference_ns, bounds_ns = sorted(apart)[(len(apart) - 1) // 2]
    message = "The PHC and NTP are {0} ns apart.".format(difference_ns)
    if difference_ns >= host.limits["phc_ntp_critical_ns"]:
        yield critical(message, difference_ns, host.limits["phc_ntp_critical_ns"])
    elif difference_ns > bounds_ns:
        yield warning(message, difference_ns, bounds_ns)


def refclock_device(host):
    refclocks = host.refclocks()
    # chrony is given such a refclock when its device appears.
    for device in each(host.facts, "chrony", "missing_devices"):
        if host.clocks() and device not in [refclock["device"] for refclock in refclocks]:
            yield warning("chrony waits for {0}, which does not exist.".format(device), device)
    if not refclocks:
        raise Unseen("chrony's configuration names no PHC, or was not read")
    # One clock can be named by several paths.
    clocks = [host.clock_at(refclock["device"]) for refclock in refclocks]
    nodes = [get(clock, "node") for clock in clocks]
    kinds = {get(clock, "kind") for clock in clocks}
    for place, refclock in enumerate(refclocks):
        device = refclock["device"]
        if clocks[place] is None:
            # If there is no CIPU clock at all, other checks report it.
            if host.clocks():
                message = "chrony is configured to read {0}, which does not exist."
                yield critical(message.format(device), device)
        elif nodes[place] in nodes[:place]:
            message = "chrony reads one clock twice: as {0} and as {1}."
            former = refclocks[nodes.index(nodes[place])]["device"]
            yield warning(message.format(former, device), device)
        elif get(clocks[place], "kind") != "cipu" and "cipu" not in kinds and host.clocks():
            yield critical("chrony reads {0}, which is not the CIPU clock.".format(device), device)
        elif re.match(r"/dev/ptp[0-9]+$", device):
            message = "chrony reads {0}; that number can name another clock after a reboot."
            yield warning(message.format(device), device)


def device_access(host):
    user = get(host.facts, "chrony", "user")
    devices = [refclock["device"] for refclock in host.refclocks()]
    if not devices:
        raise Unseen("chrony's configuration names no PHC, or was not read")
    if user is None:
        raise Unseen("the user that chronyd runs as is not reported")
    for clock in host.need_clocks():
        if not {get(clock, "node"), *each(clock, "links")} & set(devices):
            continue
        mode = get(clock, "mode")
        if mode is None or not re.match(r"[0-7]{3,4}$", mode):
            raise Unseen("the mode of {0} is not reported".format(name_of(clock)))
        bits = int(mode, 8)
        groups = each(host.facts, "chrony", "groups")
        if user == get(clock, "owner"):
            allowed = bits & 0o400
        elif get(clock, "group") in groups:
            allowed = bits & 0o040
        else:
            allowed = bits & 0o004
        if not allowed and user != "root":
            yield critical(
                "{0} belongs to {1}:{2} with mode {3}; chronyd runs as {4}.".format(
                    name_of(clock), get(clock, "owner"), get(clock, "group"), mode, user
                ),
                mode,
                clock=name_of(clock),
            )
