# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a report: what its facts state, and its health. Pure."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import each, get
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import assess, unknown

NAME_LIMIT = 256
HEALTH_KEYS = ("severity", "state", "reasons", "checks_run", "not_checked")


def row(name, facts, previous=None, thresholds=None, now_s=None, zone=None):
    """The row of one host. `facts` are as the host returned them; None: it returned none."""
    admitted, health = assess(facts, previous, thresholds, now_s)
    return _row(name, zone, admitted, health)


def row_without_facts(name, message, advice, zone=None):
    """The row of a host that returned nothing, with the reason."""
    return _row(name, zone, {}, unknown(message, advice))


def _row(name, zone, facts, health):
    return {
        "host": str(name)[:NAME_LIMIT],
        "zone": None if zone in (None, "") else str(zone)[:NAME_LIMIT],
        "taken_at_s": get(facts, "taken_at_s"),
        "kernel": get(facts, "kernel", "running"),
        "driver_version": get(facts, "driver", "loaded_version"),
        "clock": _clock(facts),
        "chrony_source": get(facts, "chrony", "selected"),
        "error_bound_ns": health["error_bound_ns"],
        "health": {key: health[key] for key in HEALTH_KEYS},
    }


def _clock(facts):
    """The CIPU clock that chrony uses by default: that of the lowest PCI address."""
    clocks = [clock for clock in each(facts, "clocks") if get(clock, "kind") == "cipu"]
    clock = min(clocks, key=lambda one: get(one, "pci_address") or "~", default={})
    conditions = sorted({name for one in clocks for name, stands in _sync(one) if stands})
    status = get(clock, "measurement", "status")
    absent = "none" if facts and not clocks else "unknown"
    return {
        "state": ", ".join(conditions) or status or absent,
        "node": get(clock, "node"),
        "pci_address": get(clock, "pci_address"),
        "conditions": conditions,
        "offset_ns": get(clock, "measurement", "offset_ns"),
        "uncertainty_ns": get(clock, "measurement", "uncertainty_ns"),
    }


def _sync(clock):
    return (get(clock, "cipu", "sync") or {}).items()
