# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the machine: clocksource, steal time, kernels, signatures, VMClock."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    Unseen,
    critical,
    get,
    warning,
)

# A share of fewer ticks than these is noise (a second on one CPU has 100).
TICKS_LEAST = 200
LOCKED = ("integrity", "confidentiality")


def clocksource(host):
    now, then = get(host.facts, "clocksource"), get(host.previous, "clocksource")
    if now is None:
        raise Unseen("the clocksource is not reported")
    if now not in host.limits["clocksources"]:
        limit = ", ".join(host.limits["clocksources"])
        yield critical("The clocksource is {0}.".format(now), now, limit)
    elif then is not None and then != now:
        yield warning("The clocksource changed from {0} to {1}.".format(then, now), now, then)


def _steal_pct(host):
    keys = ("stolen_ticks", "total_ticks")
    now = [get(host.facts, "steal", key) for key in keys]
    then = [get(host.previous, "steal", key) for key in keys]
    if None not in now + then and host.since_s() is not None:
        stolen, total = now[0] - then[0], now[1] - then[1]
        if total >= TICKS_LEAST and stolen >= 0:
            return 100.0 * stolen / total
    during_pct = get(host.facts, "steal", "during_probe_pct")
    if during_pct is not None:
        return during_pct
    if None in now or now[1] < TICKS_LEAST:
        raise Unseen("steal time is not reported")
    return 100.0 * now[0] / now[1]


def steal(host):
    share_pct = _steal_pct(host)
    shown_pct = round(share_pct, 2)
    message = "The hypervisor took {0} % of the CPU time.".format(shown_pct)
    if share_pct > host.limits["steal_critical_pct"]:
        yield critical(message, shown_pct, host.limits["steal_critical_pct"])
    elif share_pct > host.limits["steal_warn_pct"]:
        yield warning(message, shown_pct, host.limits["steal_warn_pct"])


def vmclock(host):
    now = get(host.facts, "vmclock")
    if now is None:
        raise Unseen("there is no VMClock")
    markers = [get(v, "disruption_marker") for v in (now, get(host.previous, "vmclock"))]
    if get(now, "disruption_changed") or (None not in markers and markers[0] != markers[1]):
        yield critical(
            "This machine was migrated or restored, so earlier results for its clock do not apply.",
            markers[0],
            markers[1],
            state="DISRUPTED",
        )
    if get(now, "clock_status") == "unreliable":
        yield critical(
            "The hypervisor reports its clock as unreliable.", "unreliable", state="DISRUPTED"
        )


def kernel_module(host):
    bootable = host.facts["kernel"]["bootable"]
    reported = [record for record in bootable if get(record, "has_module") is not None]
    if not reported:
        raise Unseen("which kernels have the driver is not reported")
    for record in reported:
        if get(record, "has_module"):
            continue
        release = record["release"]
        if release == host.facts["kernel"]["next"]:
            yield critical(
                "Kernel {0} boots next and has no driver module.".format(release), release
            )
        else:
            yield warning("Kernel {0} has no driver module.".format(release), release)


def module_signature(host):
    enforced = get(host.facts, "secure_boot", "signature_enforced")
    lockdown = get(host.facts, "secure_boot", "lockdown")
    if enforced is None and lockdown is None:
        raise Unseen("enforcement of signatures is not reported")
    driver = host.facts["driver"]
    if not get(driver, "installed_srcversion"):
        raise Unseen("no driver is installed")
    if (enforced or lockdown in LOCKED) and get(driver, "signer") is None:
        yield critical("The kernel accepts signed modules only, and the driver is not signed.")
