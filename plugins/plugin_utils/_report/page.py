# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report as one HTML file, and as CSV. Texts of hosts are escaped."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

from ansible_collections.cipu.clock.plugins.plugin_utils._report import charts, history, summary
from ansible_collections.cipu.clock.plugins.plugin_utils._report.load import SEVERITIES, shown
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parents[3] / "playbooks/templates/report"
HISTORY_DAYS = 30
HISTORY_HOSTS = 10
ZONES_DRAWN = HOSTS_IN_A_CHART = len(charts.SERIES)
# Columns of a row in the page's data; page.js reads them by these positions.
COLUMNS = (
    "severity",
    "host",
    "state",
    "zone",
    "kernel",
    "driver_version",
    "clock_state",
    "offset_ns",
    "uncertainty_ns",
    "error_bound_ns",
    "chrony_source",
)


def moment(taken_at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(taken_at_s))


def data(rows: list[dict[str, Any]]) -> Markup:
    """The rows as JSON that is safe inside a script element. Repeated texts are stored once."""
    words: dict[str, int] = {}
    packed = []
    for row in rows:
        line: list[Any] = [SEVERITIES.index(row["severity"])]
        for column in COLUMNS[1:]:
            value = row[column]
            if isinstance(value, float):
                value = round(value)
            if isinstance(value, str) and column != "host":
                value = words.setdefault(value, len(words))
            line.append(value)
        line.append(
            [
                [
                    SEVERITIES.index(reason["severity"]),
                    *(
                        words.setdefault(reason[key], len(words))
                        for key in ("check", "message", "advice")
                    ),
                ]
                for reason in row["reasons"]
            ]
        )
        packed.append(line)
    text = json.dumps(
        {"severities": SEVERITIES, "columns": COLUMNS, "words": list(words), "rows": packed},
        ensure_ascii=True,
        allow_nan=False,
        separators=(",", ":"),
    )
    # The three characters that could end the element for an HTML parser.
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def history_charts(path: str, taken_at_s: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Severity, offset and error bound over time, of the fleet, the worst zones and hosts."""
    since_s = taken_at_s - HISTORY_DAYS * 86400
    samples = history.over_time(path, since_s)
    times = sorted({sample["taken_at_s"] for sample in samples})
    labels = [charts.moment(one) for one in times]
    place = {one: index for index, one in enumerate(times)}
    fleet: dict[str, list[float | None]] = {
        name: [0.0] * len(times) for name in SEVERITIES if name not in ("ok", "not_applicable")
    }
    by_zone: dict[str, list[float | None]] = {}
    not_ok: dict[str, list[float | None]] = {}
    for sample in samples:
        index = place[sample["taken_at_s"]]
        for name, counts in fleet.items():
            counts[index] = (counts[index] or 0) + sample["severities"][name]
        zone = sample["zone"]
        if zone is not None:
            by_zone.setdefault(zone, [None] * len(times))[index] = micro(sample["offset_mean_ns"])
            found = sum(sample["severities"][name] for name in fleet)
            not_ok.setdefault(zone, [None] * len(times))[index] = found
    worst = sorted(not_ok, key=lambda zone: (-sum(one or 0 for one in not_ok[zone]), zone))
    worst = worst[:ZONES_DRAWN]
    drawn: dict[str, str | None] = {}
    for title, series, options in (
        ("Hosts that are not OK", fleet, {"colours": list(fleet), "whole_numbers": True}),
        (
            "Hosts that are not OK, by zone",
            {zone: not_ok[zone] for zone in worst},
            {"whole_numbers": True},
        ),
        ("Mean of |offset| by zone, µs", {zone: by_zone[zone] for zone in worst}, {}),
    ):
        drawn[title] = charts.lines(title, labels, series, **options)
    listed = [row["host"] for row in rows if row["severity"] in ("critical", "unknown", "warning")]
    of_hosts = {name: history.of_host(path, name, since_s) for name in listed[:HISTORY_HOSTS]}
    title = "Severity of the worst hosts"
    drawn[title] = charts.severities(
        title, {name: of_hosts[name] for name in listed[:HOSTS_IN_A_CHART]}
    )
    for name, samples in of_hosts.items():
        title = f"{name}: offset and error bound, µs"
        drawn[title] = charts.lines(
            title,
            [charts.moment(sample["taken_at_s"]) for sample in samples],
            {
                "offset": [micro(sample["offset_ns"]) for sample in samples],
                "error bound": [micro(sample["error_bound_ns"]) for sample in samples],
            },
        )
    return {
        "audits": len(times),
        "days": HISTORY_DAYS,
        "charts": [{"title": title, "svg": Markup(svg)} for title, svg in drawn.items() if svg],
    }


def micro(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1000, 3)


def format_us(value_ns: float | None) -> str:
    return "-" if value_ns is None else f"{value_ns / 1000:,.1f} µs"


def html(report: dict[str, Any], before: dict[str, Any] | None, history_path: str | None) -> str:
    rows = shown(report)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["us"] = format_us
    environment.filters["moment"] = moment
    pictures = {
        "Offset from the system clock, and its uncertainty": charts.offsets(rows),
        "Error bound of the system clock": charts.bars(
            "hosts", summary.known(rows, "error_bound_ns")
        ),
    }
    for picture in pictures.values():
        if picture and picture["svg"]:
            picture["svg"] = Markup(picture["svg"])
    return environment.get_template("page.html.j2").render(
        taken_at_s=report["taken_at_s"],
        before_s=before["taken_at_s"] if before else None,
        summary=summary.summarise(rows, shown(before) if before else None),
        severities=SEVERITIES,
        pictures=pictures,
        has_charts=charts.HAS_PYGAL,
        history=history_charts(history_path, report["taken_at_s"], rows) if history_path else None,
        data=data(rows),
        css=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        js=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
    )


def cell(value: Any) -> Any:
    """A cell that no spreadsheet interprets as a formula."""
    if isinstance(value, str) and value[:1] in "=+-@\t\r":
        return "'" + value
    return "" if value is None else value


def as_csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([*COLUMNS, "reasons"])
    for row in rows:
        reasons = "; ".join(f"{one['check']}: {one['message']}" for one in row["reasons"])
        writer.writerow([*(cell(row[column]) for column in COLUMNS), cell(reasons)])
    return stream.getvalue()
