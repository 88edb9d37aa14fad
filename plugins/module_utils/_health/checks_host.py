# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the machine below: clocksource, steal, kernels, signatures, VMClock."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    Unseen,
    critical,
    dig,
    flag,
    number,
    records,
    text,
    warning,
)

# Fewer ticks than these make no share worth telling (a second on one CPU is 100).
TICKS_LEAST = 200
LOCKED = ("integrity", "confidentiality")


def clocksource(host):
    now, then = text(host.facts, "clocksource"), text(host.previous, "clocksource")
    if now is None:
        raise Unseen("the clocksource is not told")
    if now not in host.limits["clocksources"]:
        limit = ", ".join(host.limits["clocksources"])
        yield critical("The clocksource is {0}.".format(now), now, limit)
    elif then is not None and host.same_boot() and then != now:
        yield warning("The clocksource changed from {0} to {1}.".format(then, now), now, then)


def _steal_pct(host):
    keys = ("stolen_ticks", "total_ticks")
    now = [number(host.facts, "steal", key) for key in keys]
    then = [number(host.previous, "steal", key) for key in keys]
    if None not in now + then and host.since_s() is not None:
        stolen, total = now[0] - then[0], now[1] - then[1]
        if total >= TICKS_LEAST and stolen >= 0:
            return 100.0 * stolen / total
    during_pct = number(host.facts, "steal", "during_probe_pct")
    if during_pct is not None:
        return during_pct
    if None in now or now[1] < TICKS_LEAST:
        raise Unseen("steal time is not told")
    return 100.0 * now[0] / now[1]


def steal(host):
    share_pct = _steal_pct(host)
    told_pct = round(share_pct, 2)
    message = "The hypervisor took {0} % of the CPU time.".format(told_pct)
    if share_pct > host.limits["steal_critical_pct"]:
        yield critical(message, told_pct, host.limits["steal_critical_pct"])
    elif share_pct > host.limits["steal_warn_pct"]:
        yield warning(message, told_pct, host.limits["steal_warn_pct"])


def vmclock(host):
    now = dig(host.facts, "vmclock")
    if not isinstance(now, dict):
        raise Unseen("there is no VMClock")
    markers = [number(v, "disruption_marker") for v in (now, dig(host.previous, "vmclock"))]
    told = flag(now, "disruption_changed")
    if told or (None not in markers and markers[0] != markers[1]):
        yield critical(
            "This machine was migrated or restored; what was said of its clock before is void.",
            markers[0],
            markers[1],
            state="DISRUPTED",
        )
    if text(now, "clock_status") == "unreliable":
        yield critical(
            "The hypervisor calls its clock unreliable.", "unreliable", state="DISRUPTED"
        )


def kernel_module(host):
    bootable = records(host.facts, "kernel", "bootable")
    told = [record for record in bootable if flag(record, "has_module") is not None]
    if not told:
        raise Unseen("which kernels have the driver is not told")
    for record in told:
        if flag(record, "has_module"):
            continue
        release = text(record, "release")
        if release == text(host.facts, "kernel", "next"):
            yield critical("Kernel {0} boots next and has no driver.".format(release), release)
        else:
            yield warning("Kernel {0} has no driver.".format(release), release)


def module_signature(host):
    enforced = flag(host.facts, "secure_boot", "signature_enforced")
    lockdown = text(host.facts, "secure_boot", "lockdown")
    if enforced is None and lockdown is None:
        raise Unseen("enforcement of signatures is not told")
    driver = dig(host.facts, "driver")
    if not text(driver, "installed_srcversion"):
        raise Unseen("no driver is installed")
    if (enforced or lockdown in LOCKED) and text(driver, "signer") is None:
        yield critical("The kernel takes signed modules only, and the driver is not signed.")
