# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of many hosts in one: counts, quantiles, and incidents of a zone. Pure."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    SEVERITIES,
    STATES,
    Host,
    text,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import complete
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge

NO_ZONE = "none"
# The bits of sync_stat that make an incident.
CONDITIONS = ("maintenance", "clock_abnormal", "busy", "device_error")


def summarise(fleet, previous=None, zones=None, thresholds=None, now_s=None):
    """fleet: host -> facts (None: no answer); previous likewise; zones: host -> zone."""
    limits = complete(thresholds)
    zones = zones or {}
    previous = previous or {}
    healths = {
        name: judge(facts, previous.get(name), limits, now_s) for name, facts in fleet.items()
    }
    applicable = [name for name, health in healths.items() if health["state"] != "NOT_APPLICABLE"]
    on_phc = [name for name in applicable if _on_phc(healths[name])]
    return {
        "hosts": healths,
        "count": len(fleet),
        "applicable": len(applicable),
        "states": _counts(health["state"] for health in healths.values()),
        "severities": _counts(health["severity"] for health in healths.values()),
        "zones": {
            zone: _counts(healths[name]["state"] for name in names)
            for zone, names in sorted(_by_zone(fleet, zones).items())
        },
        "driver_versions": _counts(_driver_version(fleet[name]) for name in applicable),
        "on_phc": len(on_phc),
        "on_phc_pct": round(100.0 * len(on_phc) / len(applicable), 1) if applicable else None,
        "error_bound_ns": quantiles(
            [healths[name]["error_bound_ns"] for name in applicable], (50, 99)
        ),
        "incidents": incidents(fleet, healths, zones, limits),
        "state": worst((h["state"] for h in healths.values()), STATES, "NOT_APPLICABLE"),
        "severity": worst((h["severity"] for h in healths.values()), SEVERITIES, "ok"),
    }


def _counts(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def worst(words, order, none):
    known = [word for word in words if word in order]
    return max(known, key=order.index) if known else none


def quantiles(values, percents):
    """By nearest rank, so that each is a value that a host really has."""
    known = sorted(value for value in values if value is not None)
    told = {"known": len(known)}
    for percent in percents:
        rank = max(1, -(-percent * len(known) // 100))
        told["p{0}".format(percent)] = known[rank - 1] if known else None
    told["max"] = known[-1] if known else None
    return told


def _by_zone(fleet, zones):
    grouped = {}
    for name in sorted(fleet):
        grouped.setdefault(zones.get(name) or NO_ZONE, []).append(name)
    return grouped


def _driver_version(facts):
    return text(facts, "driver", "loaded_version") or "none"


def _on_phc(health):
    """No check found the source to be another, and each could be made."""
    blind = [entry["check"] for entry in health["not_checked"]]
    found = [reason["check"] for reason in health["reasons"]]
    return not {"chrony_source", "facts"} & set(blind + found)


def incidents(fleet, healths, zones, limits):
    """The same condition on enough hosts of a zone is the zone's, not theirs."""
    told = []
    for zone, names in sorted(_by_zone(fleet, zones).items()):
        asked = [name for name in names if healths[name]["state"] != "NOT_APPLICABLE"]
        for condition in CONDITIONS:
            ill = [name for name in asked if _has_condition(fleet[name], condition)]
            share_pct = 100.0 * len(ill) / len(asked) if asked else 0.0
            enough = len(ill) >= limits["incident_hosts"]
            if enough and share_pct >= limits["incident_share_pct"]:
                told.append(
                    {
                        "zone": zone,
                        "condition": condition,
                        "hosts": ill,
                        "share_pct": round(share_pct, 1),
                        "message": "{0} of {1} hosts of zone {2} say {3}.".format(
                            len(ill), len(asked), zone, condition.replace("_", " ")
                        ),
                    }
                )
    return told


def _has_condition(facts, condition):
    host = Host(facts, None, {}, None)
    return any(
        isinstance(clock.get("cipu"), dict)
        and isinstance(clock["cipu"].get("sync"), dict)
        and clock["cipu"]["sync"].get(condition) is True
        for clock in host.clocks()
    )
