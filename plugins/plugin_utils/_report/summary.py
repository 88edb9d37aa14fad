# SPDX-License-Identifier: GPL-3.0-or-later
"""Summary of a fleet's report: counts, main findings, and changes. Pure functions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.cipu.clock.plugins.plugin_utils._report.load import SEVERITIES

Row = dict[str, Any]
EXAMPLES_SHOWN = 5
CHANGES_LIMIT = 60
# Share of the fleet, in percent, below which a driver version or a kernel is listed as rare.
RARE_PCT = 5.0


def severities(rows: list[Row]) -> dict[str, int]:
    counts = Counter(row["severity"] for row in rows)
    return {name: counts.get(name, 0) for name in SEVERITIES}


def percentile(values: list[float], percent: float) -> float | None:
    """The percentile by nearest rank: at least this share of the values is not larger."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[min(len(ordered), int(rank)) - 1]


def known(rows: list[Row], key: str) -> list[float]:
    return [row[key] for row in rows if row[key] is not None]


def checks(rows: list[Row]) -> list[dict[str, Any]]:
    """Each check that found something: its hosts, its worst severity, an example and the advice.

    worst_count is the number of hosts with that severity. The example is the first of them.
    """
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for row in rows:
        for reason in row["reasons"]:
            found.setdefault(reason["check"], []).append((row["host"], reason))
    entries = []
    for check, reasons in found.items():
        severity = min((one["severity"] for _host, one in reasons), key=SEVERITIES.index)
        worst = [(host, one) for host, one in reasons if one["severity"] == severity]
        hosts = list(dict.fromkeys(host for host, _one in worst))
        entries.append(
            {
                "check": check,
                "severity": severity,
                "count": len({host for host, _one in reasons}),
                "worst_count": len(hosts),
                "hosts": hosts[:EXAMPLES_SHOWN],
                "message": worst[0][1]["message"],
                "advice": worst[0][1]["advice"],
            }
        )
    return sorted(
        entries,
        key=lambda entry: (SEVERITIES.index(entry["severity"]), -entry["count"], entry["check"]),
    )


def rare(rows: list[Row], key: str) -> list[dict[str, Any]]:
    """Values of this key that few hosts of the fleet have, with examples."""
    hosts: dict[str, list[str]] = {}
    for row in rows:
        if row[key] is not None:
            hosts.setdefault(row[key], []).append(row["host"])
    total = sum(len(names) for names in hosts.values())
    return [
        {"value": value, "count": len(names), "hosts": names[:EXAMPLES_SHOWN]}
        for value, names in sorted(hosts.items(), key=lambda item: len(item[1]))
        if len(hosts) > 1 and len(names) * 100 < RARE_PCT * total
    ]


def zones(rows: list[Row]) -> list[dict[str, Any]]:
    """By zone: hosts, severities, and the median and 99th percentile of the error bound in ns."""
    by_zone: dict[str, list[Row]] = {}
    for row in rows:
        if row["zone"] is not None:
            by_zone.setdefault(row["zone"], []).append(row)
    return [
        {
            "zone": zone,
            "hosts": len(members),
            "severities": severities(members),
            "bound_p50_ns": percentile(known(members, "error_bound_ns"), 50),
            "bound_p99_ns": percentile(known(members, "error_bound_ns"), 99),
        }
        for zone, members in sorted(by_zone.items())
    ]


def changes(rows: list[Row], before: list[Row]) -> dict[str, dict[str, Any]]:
    """Changes since the previous report: {kind: {count, at most CHANGES_LIMIT hosts}}."""
    old = {row["host"]: row for row in before}
    new = {row["host"]: row for row in rows}
    kinds = ("worse", "better", "driver", "kernel", "added", "gone")
    result: dict[str, list[dict[str, Any]]] = {name: [] for name in kinds}
    for name, row in new.items():
        former = old.get(name)
        if former is None:
            result["added"].append({"host": name, "to": row["severity"]})
            continue
        step = SEVERITIES.index(row["severity"]) - SEVERITIES.index(former["severity"])
        if step:
            kind = "worse" if step < 0 else "better"
            result[kind].append({"host": name, "from": former["severity"], "to": row["severity"]})
        for key, kind in (("driver_version", "driver"), ("kernel", "kernel")):
            if row[key] != former[key] and row[key] is not None:
                result[kind].append({"host": name, "from": former[key], "to": row[key]})
    result["gone"] = [
        {"host": name, "from": row["severity"]} for name, row in old.items() if name not in new
    ]
    return {
        kind: {"count": len(found), "hosts": found[:CHANGES_LIMIT]}
        for kind, found in result.items()
    }


def summarise(rows: list[Row], before: list[Row] | None) -> dict[str, Any]:
    bounds = known(rows, "error_bound_ns")
    applicable = [row for row in rows if row["severity"] != "not_applicable"]
    on_clock = [row for row in applicable if row["chrony_source"] == "CIPU"]
    return {
        "hosts": len(rows),
        "severities": severities(rows),
        "states": dict(Counter(row["state"] for row in rows).most_common()),
        "on_clock_pct": round(100 * len(on_clock) / len(applicable), 1) if applicable else None,
        "bound_ns": {f"p{percent}": percentile(bounds, percent) for percent in (50, 90, 99, 100)},
        "checks": checks(rows),
        "rare_drivers": rare(rows, "driver_version"),
        "rare_kernels": rare(rows, "kernel"),
        "zones": zones(rows),
        "changes": None if before is None else changes(rows, before),
    }
