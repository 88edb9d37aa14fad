# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of many hosts in one: counts, quantiles, and incidents of a zone. Pure."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    HOST_SEVERITIES,
    NOT_APPLICABLE,
    SEVERITIES,
    STATES,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import complete
from ansible_collections.cipu.clock.plugins.module_utils._host.facts_spec import SYNC

NO_ZONE = "none"


def summarise(rows, thresholds=None):
    """The one summary of a fleet, from its rows (see row.py)."""
    limits = complete(thresholds)
    healths = [row["health"] for row in rows]
    applicable = [row for row in rows if row["health"]["severity"] != NOT_APPLICABLE]
    on_phc = sum(_on_phc(row["health"]) for row in applicable)
    offsets = [row["clock"]["offset_ns"] for row in applicable]
    zones = _by_zone(rows)
    return {
        "count": len(rows),
        "applicable": len(applicable),
        "severity": worst((h["severity"] for h in healths), SEVERITIES, NOT_APPLICABLE),
        "state": worst((h["state"] for h in healths), STATES, NOT_APPLICABLE.upper()),
        "severities": by_severity(rows),
        "states": _counts(health["state"] for health in healths),
        "zones": {zone: by_severity(rows) for zone, rows in zones},
        "driver_versions": _counts(row["driver_version"] or "none" for row in applicable),
        "kernels": _counts(row["kernel"] or "unknown" for row in rows),
        "checks": _by_check(healths),
        "on_phc": on_phc,
        "on_phc_pct": round(100.0 * on_phc / len(applicable), 1) if applicable else None,
        "offset_ns": quantiles([None if ns is None else abs(ns) for ns in offsets], (50, 99)),
        "error_bound_ns": quantiles([row["error_bound_ns"] for row in applicable], (50, 99)),
        "incidents": incidents(zones, limits),
    }


def by_severity(rows):
    counts = dict.fromkeys(HOST_SEVERITIES, 0)
    for row in rows:
        counts[row["health"]["severity"]] += 1
    return counts


def _counts(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def _by_check(healths):
    """Hosts by check and severity; a host counts once for a check, with the worst it found."""
    counts = {}
    for health in healths:
        worst_of = {}
        for reason in health["reasons"]:  # worst first
            worst_of.setdefault(reason["check"], reason["severity"])
        for check, severity in worst_of.items():
            counts.setdefault(check, dict.fromkeys(SEVERITIES[1:], 0))[severity] += 1
    return dict(sorted(counts.items()))


def worst(words, order, none):
    known = [word for word in words if word in order]
    return max(known, key=order.index) if known else none


def quantiles(values, percents):
    """By nearest rank, so that each is the value of one of the hosts."""
    known = sorted(value for value in values if value is not None)
    result = {"known": len(known)}
    for percent in percents:
        rank = max(1, -(-percent * len(known) // 100))
        result["p{0}".format(percent)] = known[rank - 1] if known else None
    result["max"] = known[-1] if known else None
    return result


def _by_zone(rows):
    grouped = {}
    for row in rows:
        grouped.setdefault(row["zone"] or NO_ZONE, []).append(row)
    return sorted(grouped.items())


def _on_phc(health):
    """Whether chrony_source was checked and found nothing."""
    not_checked = [entry["check"] for entry in health["not_checked"]]
    found = [reason["check"] for reason in health["reasons"]]
    return not {"chrony_source", "facts"} & set(not_checked + found)


def incidents(zones, limits):
    """The same condition on enough hosts of a zone is an incident of the zone."""
    result = []
    for zone, rows in zones:
        asked = [row for row in rows if row["health"]["severity"] != NOT_APPLICABLE]
        for condition in SYNC:
            hosts = sorted(row["host"] for row in asked if condition in row["clock"]["conditions"])
            share_pct = 100.0 * len(hosts) / len(asked) if asked else 0.0
            enough = len(hosts) >= limits["incident_hosts"]
            if enough and share_pct >= limits["incident_share_pct"]:
                result.append(
                    {
                        "zone": zone,
                        "condition": condition,
                        "hosts": hosts,
                        "share_pct": round(share_pct, 1),
                        "message": "{0} of {1} hosts of zone {2} report {3}.".format(
                            len(hosts), len(asked), zone, condition.replace("_", " ")
                        ),
                    }
                )
    return result
