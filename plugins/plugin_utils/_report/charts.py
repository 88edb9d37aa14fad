# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of the fleet report, SVG by pygal. Without pygal the page notes that they are missing."""

from __future__ import annotations

import math
import re
import time
from typing import Any

try:
    import pygal
    from pygal.style import Style

    HAS_PYGAL = True
except ImportError:
    HAS_PYGAL = False

Row = dict[str, Any]
# Upper edges of the bins of an absolute value, in us: 1-2-5 steps.
EDGES_US = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000]


SERIES = [f"series-{number}" for number in range(1, 6)]


def style(colours: list[str] = SERIES) -> Any:
    """Colours are names of the page's, so that a chart follows light, dark and print."""
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="currentColor",
        foreground_strong="currentColor",
        foreground_subtle="currentColor",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        opacity="1",
        colors=tuple(f"var(--{name})" for name in colours),
        font_family="inherit",
        label_font_size=13,
        major_label_font_size=13,
        title_font_size=14,
        legend_font_size=13,
        tooltip_font_size=13,
    )


def clean(svg: str) -> str:
    """Without comments, which name addresses, and without the script of pygal, which is unused."""
    return re.sub(r"<!--.*?-->|<script.*?</script>", "", svg, flags=re.DOTALL)


def options(**more: Any) -> dict[str, Any]:
    more.setdefault("style", style())
    return dict(
        js=[],
        disable_xml_declaration=True,
        width=760,
        height=300,
        truncate_label=-1,
        **more,
    )


def ticks(most: float) -> list[int]:
    """Whole numbers from zero up to the largest count of hosts, in steps of 1, 2 or 5 times ten."""
    least = max(1.0, most / 4)
    scale = 10 ** int(math.log10(least))
    step = next(one * scale for one in (1, 2, 5, 10) if one * scale >= least)
    return list(range(0, math.ceil(most) + step, step))


def whole(value: float) -> str:
    return f"{value:.0f}"


def label_us(value_us: float) -> str:
    if value_us >= 1000:
        return f"{value_us / 1000:g} ms"
    return f"{value_us:g} µs"


def histogram(values_ns: list[float]) -> tuple[list[str], list[int]]:
    """Labels and counts of the bins of absolute values, without the empty ones at both ends."""
    counts = [0] * (len(EDGES_US) + 1)
    for value in values_ns:
        inside = [index for index, edge in enumerate(EDGES_US) if abs(value) <= edge * 1000]
        counts[inside[0] if inside else len(EDGES_US)] += 1
    labels = [f"≤ {label_us(edge)}" for edge in EDGES_US] + [f"> {label_us(EDGES_US[-1])}"]
    used = [index for index, count in enumerate(counts) if count]
    if not used:
        return [], []
    return labels[used[0] : used[-1] + 1], counts[used[0] : used[-1] + 1]


def bars(name: str, values_ns: list[float]) -> dict[str, Any] | None:
    """{svg, table}: a histogram and its numbers, for readers who do not see the picture."""
    labels, counts = histogram(values_ns)
    if not labels:
        return None
    svg = None
    if HAS_PYGAL:
        chart = pygal.Bar(
            **options(show_legend=False, x_label_rotation=35 if len(labels) > 8 else 0)
        )
        chart.x_labels = labels
        chart.value_formatter = whole
        chart.y_labels = ticks(max(counts))
        chart.add(name, counts)
        svg = clean(chart.render(is_unicode=True))
    return {"svg": svg, "table": list(zip(labels, counts))}


def offsets(rows: list[Row]) -> dict[str, Any] | None:
    """Distribution of |offset| and of its uncertainty, side by side in the same bins."""
    measured = [
        row for row in rows if row["offset_ns"] is not None and row["uncertainty_ns"] is not None
    ]
    if not measured:
        return None
    both = [row["offset_ns"] for row in measured] + [row["uncertainty_ns"] for row in measured]
    labels, _counts = histogram(both)
    by_series = []
    for key in ("offset_ns", "uncertainty_ns"):
        own_labels, own_counts = histogram([row[key] for row in measured])
        found = dict(zip(own_labels, own_counts))
        by_series.append([found.get(label, 0) for label in labels])
    svg = None
    if HAS_PYGAL:
        chart = pygal.Bar(
            **options(legend_at_bottom=True, x_label_rotation=35 if len(labels) > 8 else 0)
        )
        chart.x_labels = labels
        chart.value_formatter = whole
        chart.y_labels = ticks(max(by_series[0] + by_series[1]))
        chart.add("|offset|", by_series[0])
        chart.add("uncertainty", by_series[1])
        svg = clean(chart.render(is_unicode=True))
    return {"svg": svg, "table": list(zip(labels, *by_series))}


def moment(taken_at_s: float) -> str:
    return time.strftime("%m-%d %H:%M", time.gmtime(taken_at_s))


def severities(title: str, hosts: dict[str, list[Row]]) -> str | None:
    """The severity of each host over time, from samples of the history; the worst is at the top."""
    times = sorted({sample["taken_at_s"] for samples in hosts.values() for sample in samples})
    heights = {name: height for height, name in enumerate(("ok", "warning", "unknown", "critical"))}
    series = {}
    for name, samples in hosts.items():
        found = {sample["taken_at_s"]: heights.get(sample["severity"]) for sample in samples}
        series[name] = [found.get(one) for one in times]
    labels = [{"value": height, "label": name.upper()} for name, height in heights.items()]
    return lines(title, [moment(one) for one in times], series, y_labels=labels)


def lines(
    title: str,
    times: list[str],
    series: dict[str, list[float | None]],
    colours: list[str] = SERIES,
    whole_numbers: bool = False,
    y_labels: list[Any] | None = None,
) -> str | None:
    """A line chart over time, None without pygal or with fewer than two points."""
    points = max(
        (sum(value is not None for value in values) for values in series.values()), default=0
    )
    if not HAS_PYGAL or points < 2:
        return None
    shown = max(1, math.ceil(len(times) / 8))
    chart = pygal.Line(
        **options(
            title=title,
            style=style(colours),
            legend_at_bottom=True,
            show_dots=len(times) <= 60,
            x_label_rotation=20,
            show_minor_x_labels=False,
            show_minor_y_labels=False,
            y_labels_major_count=4,
        )
    )
    if whole_numbers:
        most = max(value for values in series.values() for value in values if value is not None)
        chart.value_formatter = whole
        chart.y_labels = chart.y_labels_major = ticks(most)
    if y_labels:
        chart.y_labels = chart.y_labels_major = y_labels
    chart.x_labels = times
    chart.x_labels_major = times[::shown]
    for name, values in series.items():
        chart.add(name, values)
    return clean(chart.render(is_unicode=True))
