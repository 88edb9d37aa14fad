# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads audit reports, the JSON that cipu.clock.audit writes, and merges the slices of one audit.

A report may have been edited or truncated, and its texts come from hosts. So each row is fitted
here to the table from which docs/schema/report-v1.json is generated, and the rest of the package
relies on it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.cipu.clock.plugins.module_utils._health.report_spec import (
    HOST,
    REPORT,
    SCHEMA,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.row import row_without_facts

SIZE_LIMIT = 256 * 1024 * 1024
# Worst first. The history stores their positions, so new ones may only be added at the end.
SEVERITIES = ("critical", "unknown", "warning", "ok", "not_applicable")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class ReportError(Exception):
    """A report cannot be used; the text names the file and says what to do."""


def absolute(path: str) -> str:
    """An absolute path. A relative one starts at the working directory of ansible-playbook."""
    return os.path.join(os.environ.get("PWD") or os.getcwd(), os.path.expanduser(path))


def host(value: Any) -> dict[str, Any] | None:
    """One row that conforms to the schema; a malformed one is UNKNOWN, one without a name None."""
    name = value.get("host") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name:
        return None
    fitted = HOST.fit(value)
    if fitted is None or HOST.fit(fitted) is None:
        fitted = row_without_facts(
            HOST.fields["host"].fit(name) or REPLACEMENT,
            "The row of this host in the report is malformed.",
            "Run cipu.clock.audit again.",
        )
    return fitted


def load(path: str) -> dict[str, Any]:
    """One report: {taken_at_s: int, hosts: [rows of host()]}, else ReportError."""
    file = Path(absolute(path))
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise ReportError(
                f"{path} is larger than {SIZE_LIMIT} bytes; give a report of an audit"
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
    schema = given.get("schema") if isinstance(given, dict) else None
    if schema != SCHEMA:
        raise ReportError(
            f"{path} has schema {str(schema)[:20]}, this collection reads schema {SCHEMA};"
            " use the collection that wrote it, or run cipu.clock.audit again"
        )
    taken_at_s = REPORT.fields["taken_at_s"].fit(given.get("taken_at_s"))
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
    return {"taken_at_s": taken_at_s, "hosts": [rows[name] for name in sorted(rows)]}


def text(value: str | None) -> str | None:
    """A text without control characters and lone surrogates, which no page can show."""
    if value is None:
        return None
    return "".join(letter if letter.isprintable() else REPLACEMENT for letter in value)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the page, the CSV file and the history use it: flat, with printable texts."""
    clock, health = row["clock"], row["health"]
    return {
        "host": text(row["host"]),
        "zone": text(row["zone"]),
        "kernel": text(row["kernel"]),
        "driver_version": text(row["driver_version"]),
        "clock_state": text(clock["state"]),
        "offset_ns": clock["offset_ns"],
        "uncertainty_ns": clock["uncertainty_ns"],
        "error_bound_ns": row["error_bound_ns"],
        "chrony_source": text(row["chrony_source"]),
        "state": health["state"],
        "severity": health["severity"],
        "reasons": [
            {
                "check": text(reason["check"]),
                "severity": reason["severity"],
                "message": text(reason["message"]),
                "advice": text(reason["advice"]),
            }
            for reason in health["reasons"]
        ],
    }


def order(row: dict[str, Any]) -> tuple[Any, ...]:
    """Worst first; then the larger error bound; then by name. For rows of flat()."""
    bound_ns = row["error_bound_ns"]
    return (
        SEVERITIES.index(row["severity"]),
        -(bound_ns if bound_ns is not None else -1),
        row["host"],
    )


def shown(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a report as the page shows them, worst first."""
    return sorted((flat(row) for row in report["hosts"]), key=order)
