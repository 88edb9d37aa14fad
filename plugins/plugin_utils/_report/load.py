# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads audit reports, the JSON that cipu.clock.audit writes, and merges the slices of one audit.

A report is data of a file that may have been edited or cut, with texts that hosts sent. So every
value is checked for type and size here, and the rest of the package relies on it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

SCHEMA = 1
SIZE_LIMIT = 256 * 1024 * 1024
TEXT_LIMIT = 300
REASONS_LIMIT = 40
SEVERITIES = ("critical", "unknown", "warning", "ok")


class ReportError(Exception):
    """A report cannot be used; the text names the file and says what to do."""


def text(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A text of bounded length without control characters, or None for anything else."""
    if not isinstance(value, str):
        return None
    cleaned = "".join(
        letter
        if letter.isprintable() and not "\ud800" <= letter <= "\udfff"
        else "\N{REPLACEMENT CHARACTER}"
        for letter in value[: limit + 1]
    )
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def number(value: Any) -> float | None:
    """A finite number of at most 2^63, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) and abs(value) < 2**63 else None


def record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def reason(value: Any) -> dict[str, Any]:
    given = record(value)
    severity = given.get("severity")
    return {
        "check": text(given.get("check")) or "unknown",
        "severity": severity if severity in SEVERITIES else "unknown",
        "message": text(given.get("message")) or "",
        "advice": text(given.get("advice")) or "",
    }


def host(value: Any) -> dict[str, Any] | None:
    """One row with the types that this package relies on; None without a host's name."""
    given = record(value)
    name = text(given.get("host"))
    if not name:
        return None
    clock, health = record(given.get("clock")), record(given.get("health"))
    severity = health.get("severity")
    reasons = health.get("reasons")
    return {
        "host": name,
        "zone": text(given.get("zone")),
        "kernel": text(given.get("kernel")),
        "driver_version": text(given.get("driver_version")),
        "clock_state": text(clock.get("state")),
        "offset_ns": number(clock.get("offset_ns")),
        "uncertainty_ns": number(clock.get("uncertainty_ns")),
        "error_bound_ns": number(given.get("error_bound_ns")),
        "chrony_source": text(given.get("chrony_source")),
        "state": text(health.get("state")) or "UNKNOWN",
        "severity": severity if severity in SEVERITIES else "unknown",
        "reasons": [
            reason(one) for one in (reasons if isinstance(reasons, list) else [])[:REASONS_LIMIT]
        ],
    }


def load(path: str) -> dict[str, Any]:
    """One report: {taken_at_s: int, hosts: [rows of host()]}, else ReportError."""
    file = Path(path)
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise ReportError(
                f"{path} is larger than {SIZE_LIMIT} bytes; give a report of cipu.clock.audit"
            )
        given = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(
            f"cannot read the report {path}: {error.strerror}; run cipu.clock.audit first"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ReportError(
            f"{path} is not valid JSON: {error}; run cipu.clock.audit again"
        ) from error
    schema = record(given).get("schema")
    if schema != SCHEMA:
        raise ReportError(
            f"{path} has schema {text(str(schema))}, this collection reads schema {SCHEMA};"
            " use the collection that wrote it, or run cipu.clock.audit again"
        )
    taken_at_s = number(given.get("taken_at_s"))
    hosts = given.get("hosts")
    if taken_at_s is None or not isinstance(hosts, list):
        raise ReportError(f"{path} has no list of hosts or no time; run cipu.clock.audit again")
    rows = [host(one) for one in hosts]
    return {"taken_at_s": int(taken_at_s), "hosts": [row for row in rows if row]}


def merge(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The slices of one audit as one report; of a host in several slices the newest row counts."""
    rows: dict[str, dict[str, Any]] = {}
    for one in sorted(reports, key=lambda report: report["taken_at_s"]):
        rows.update({row["host"]: row for row in one["hosts"]})
    taken_at_s = max((one["taken_at_s"] for one in reports), default=0)
    return {"taken_at_s": taken_at_s, "hosts": sorted(rows.values(), key=order)}


def order(row: dict[str, Any]) -> tuple[Any, ...]:
    """Worst first; then the larger error bound; then by name."""
    bound_ns = row["error_bound_ns"]
    return (
        SEVERITIES.index(row["severity"]),
        -(bound_ns if bound_ns is not None else -1),
        row["host"],
    )
