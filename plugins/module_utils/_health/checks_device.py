# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the CIPU function, its driver and its measurements."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    Unseen,
    critical,
    each,
    get,
    name_of,
    warning,
)

DEV_STAT = {0: "RESET", 1: "FEATURE_OK", 2: "DRIVER_OK"}
DRIVER_OK = 2
# Conditions that the device reports about itself: temporary ones and faults.
PASSING = ("maintenance", "busy")
GRAVE = ("clock_abnormal", "device_error")
# Counter of the event in the driver -> name of the event.
EVENTS = {
    "clk_abn": "clock_abnormal",
    "maint": "maintenance",
    "busy": "busy",
    "err": "device_error",
}


def function(host):
    functions = host.facts["functions"]
    for entry in functions:
        if get(entry, "driver") is None:
            address = get(entry, "pci_address")
            yield critical(
                "CIPU function {0} has no driver bound.".format(address), None, None, clock=address
            )
    gone = len(each(host.previous, "functions")) - len(functions)
    if gone > 0:
        yield critical(
            "{0} CIPU functions disappeared since the previous facts.".format(gone),
            len(functions),
            None,
        )
    elif not functions and host.cipu_configured():
        message = "chrony is configured to use a CIPU clock, but there is no CIPU function."
        yield critical(message, 0, 1)


def driver_version(host):
    pinned = host.limits["pinned_driver_version"]
    if not pinned:
        raise Unseen("no version is pinned")
    for key in ("loaded_version", "installed_version"):
        version = get(host.facts, "driver", key)
        if version is not None and version != pinned:
            what = key.split("_", maxsplit=1)[0]
            yield warning("The {0} driver has version {1}.".format(what, version), version, pinned)


def driver_loaded(host):
    driver = host.facts["driver"]
    if not driver["loaded"]:
        raise Unseen("the driver is not loaded")
    loaded, installed = get(driver, "loaded_srcversion"), get(driver, "installed_srcversion")
    if loaded is None or installed is None:
        raise Unseen("the source version of the driver is not reported")
    if loaded != installed:
        yield warning("The loaded driver differs from the installed one.", loaded, installed)


def dev_stat(host):
    for clock in host.need_clocks():
        value = get(clock, "cipu", "registers", "dev_stat")
        if value is None:
            raise Unseen("dev_stat of {0} is not reported".format(name_of(clock)), True)
        if value != DRIVER_OK:
            yield critical(
                "{0} is in {1}.".format(name_of(clock), DEV_STAT.get(value, "an unknown state")),
                value,
                DRIVER_OK,
                clock=name_of(clock),
            )


def sync_stat(host):
    for clock in host.need_clocks():
        for condition in GRAVE + PASSING:
            standing = get(clock, "cipu", "sync", condition)
            if standing is None:
                raise Unseen("sync_stat of {0} is not reported".format(name_of(clock)), True)
            if not standing:
                continue
            standing_s = _standing_s(host, clock, condition)
            limit_s = host.limits["sync_standing_s"]
            message = "{0} reports {1}".format(name_of(clock), condition.replace("_", " "))
            if condition in GRAVE:
                yield critical(message + ".", condition, None, clock=name_of(clock))
            elif standing_s > limit_s:
                message = "{0}, for over {1} s.".format(message, limit_s)
                yield critical(message, condition, limit_s, clock=name_of(clock))
            else:
                yield warning(message + ".", condition, limit_s, clock=name_of(clock))


def _standing_s(host, clock, condition):
    """Seconds for which a condition has stood without a break, by the previous facts."""
    before = host.before(clock)
    if before is None or not get(before, "cipu", "sync", condition):
        return 0
    name = {event: counter for counter, event in EVENTS.items()}[condition] + "_rec"
    ended = [get(c, "cipu", "counters", name) for c in (before, clock)]
    return host.since_s() if ended[0] == ended[1] else 0


def standing_events(host):
    for clock in host.need_clocks():
        counters = get(clock, "cipu", "counters")
        for counter, condition in sorted(EVENTS.items()):
            begun, ended = get(counters, counter), get(counters, counter + "_rec")
            if begun is None or ended is None:
                raise Unseen("the counters of {0} are not reported".format(name_of(clock)), True)
            if begun > ended:
                yield warning(
                    "{0} reported the start of {1} and no end.".format(
                        name_of(clock), condition.replace("_", " ")
                    ),
                    begun - ended,
                    0,
                    clock=name_of(clock),
                )
        if host.before(clock) is not None:
            overdue = host.deltas(clock).get("maint_tout", 0)
            if overdue > 0:
                yield critical(
                    "A maintenance of {0} took longer than the device allows.".format(
                        name_of(clock)
                    ),
                    overdue,
                    0,
                    clock=name_of(clock),
                )


def read_errors(host):
    warn_pct = host.limits["read_errors_warn_pct"]
    critical_pct = host.limits["read_errors_critical_pct"]
    for clock in host.need_clocks():
        deltas = host.deltas(clock)
        errors = deltas.get("gettm_inval_err", 0) + deltas.get("gettm_tout_err", 0)
        errors -= get(clock, "measurement", "failures", "EIO") or 0
        reads = deltas.get("gettm", 0) - (get(clock, "cipu", "own_reads") or 0)
        if errors <= 0:
            continue
        share_pct = min(100.0, 100.0 * errors / reads) if reads > 0 else 100.0
        shown_pct = round(share_pct, 3)
        message = "{0} of {1} reads of {2} failed.".format(errors, max(reads, 0), name_of(clock))
        if share_pct >= critical_pct:
            yield critical(message, shown_pct, critical_pct, clock=name_of(clock))
        elif share_pct > warn_pct:
            yield warning(message, shown_pct, warn_pct, clock=name_of(clock))


def over_threshold(host):
    for clock in host.need_clocks():
        over = host.deltas(clock).get("gettm_excd_thresh", 0)
        if over > 0:
            yield warning(
                "{0} reads of {1} exceeded the device's threshold against the system clock.".format(
                    over, name_of(clock)
                ),
                over,
                0,
                clock=name_of(clock),
            )


def read_bracket(host):
    for clock in host.need_clocks():
        p99_ns = get(clock, "measurement", "bracket_ns", "p99")
        most_ns = get(clock, "cipu", "registers", "max_lat_ns")
        if p99_ns is None or not most_ns:
            raise Unseen("the read bracket of {0} is not reported".format(name_of(clock)))
        share_pct = 100.0 * p99_ns / most_ns
        shown_pct = round(share_pct, 1)
        message = "Reads of {0} take {1} ns; the device accepts up to {2} ns.".format(
            name_of(clock), p99_ns, most_ns
        )
        if share_pct >= host.limits["bracket_critical_pct"]:
            limit = host.limits["bracket_critical_pct"]
            yield critical(message, shown_pct, limit, clock=name_of(clock))
        elif share_pct > host.limits["bracket_warn_pct"]:
            yield warning(message, shown_pct, host.limits["bracket_warn_pct"], clock=name_of(clock))


def measurement(host):
    clocks = host.need_clocks()
    for clock in clocks:
        status = get(clock, "measurement", "status")
        reason = get(clock, "measurement", "reason")
        message = "The measurement of {0} is {1}{2}.".format(
            name_of(clock), status, ": " + reason.rstrip(".") if reason else ""
        )
        if status in {"failed", "inconsistent"}:
            yield critical(message, status, "ok", clock=name_of(clock))
        elif status != "ok":
            raise Unseen(message.rstrip("."), True)
    if not clocks and any(get(f, "driver") for f in host.facts["functions"]):
        yield critical("A CIPU function has a driver but no PTP clock.", 0, 1)


def phc_offset(host):
    for clock in host.need_clocks():
        if get(clock, "measurement", "status") != "ok":
            # The check `measurement` reports that.
            continue
        offset_ns = get(clock, "measurement", "offset_ns")
        uncertainty_ns = get(clock, "measurement", "uncertainty_ns")
        if offset_ns is None or uncertainty_ns is None:
            raise Unseen("the offset of {0} is not reported".format(name_of(clock)), True)
        certain_ns = max(0, abs(offset_ns) - uncertainty_ns)
        critical_ns = host.limits["offset_critical_ns"]
        thresh_us = get(clock, "cipu", "registers", "thresh_us")
        if thresh_us:
            critical_ns = min(critical_ns, thresh_us * 1000)
        message = "{0} is {1} ns from the system clock, within {2} ns.".format(
            name_of(clock), offset_ns, uncertainty_ns
        )
        if certain_ns > critical_ns:
            yield critical(message, certain_ns, critical_ns, clock=name_of(clock))
        elif certain_ns > host.limits["offset_warn_ns"]:
            yield warning(message, certain_ns, host.limits["offset_warn_ns"], clock=name_of(clock))
