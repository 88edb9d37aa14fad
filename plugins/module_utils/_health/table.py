# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as lines of an aligned table of limited width: worst host first, severity first."""

import unicodedata

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    NOT_APPLICABLE,
    SEVERITIES,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import shown

# Worst first.
ORDER = SEVERITIES[::-1] + (NOT_APPLICABLE,)
HOSTS_SHOWN = 20
REASONS_SHOWN = 3
WIDTH_DEFAULT = 120
WIDTH_LEAST = 40
GAP = "  "
INDENT = "    "
CELL_LIMIT = 200
HOST_LEAST = 12
# Columns in the order of the table, and in the order in which a narrow terminal loses them.
TITLES = ("severity", "state", "host", "zone", "offset", "bound", "source", "driver", "kernel")
DROPPED_FIRST = ("kernel", "driver", "zone", "source", "bound", "state", "offset")


def lines(report, width=WIDTH_DEFAULT):
    """(text, severity or None) of each line. Texts of hosts are converted to printable text."""
    width = max(WIDTH_LEAST, width)
    hosts = sorted(report["hosts"], key=lambda row: ORDER.index(row["health"]["severity"]))
    kept = hosts[:HOSTS_SHOWN]
    reasons_shown = REASONS_SHOWN if len(hosts) <= HOSTS_SHOWN else 1
    result = []
    for cells, row in zip(_fitted([_cells(row) for row in kept], width), [None] + kept):
        severity = row and row["health"]["severity"]
        result.append((cells, severity))
        if row:
            result += [(text, None) for text in _reasons(row, reasons_shown, width)]
    if len(hosts) > len(kept):
        result.append(("... and {0} more hosts".format(len(hosts) - len(kept)), None))
    result.append(("", None))
    result += [(cut(shown(one["message"], 400), width), "warning") for one in _incidents(report)]
    result.append((cut(_summary(report["fleet"]), width), report["fleet"]["severity"]))
    return result


def duration(value_ns):
    """A duration in the unit that suits it."""
    if value_ns is None:
        return "-"
    for unit, size_ns, most in (("us", 1e3, 1e6), ("ms", 1e6, 1e9)):
        if abs(value_ns) < most:
            return "{0:.1f} {1}".format(value_ns / size_ns, unit)
    return "{0:.3g} s".format(value_ns / 1e9)


def _cells(row):
    clock = row["clock"]
    offset = duration(clock["offset_ns"])
    if clock["uncertainty_ns"] is not None and clock["offset_ns"] is not None:
        offset += " +- " + duration(clock["uncertainty_ns"])
    severity, state = row["health"]["severity"].upper(), row["health"]["state"]
    cells = (
        severity,
        None if state == severity else state,
        row["host"],
        row["zone"],
        offset,
        duration(row["error_bound_ns"]),
        row["chrony_source"],
        row["driver_version"],
        row["kernel"],
    )
    return ["-" if cell is None else shown(str(cell), CELL_LIMIT) for cell in cells]


def _fitted(rows, width):
    """The lines of a table, with its titles; columns are left out until it fits."""
    rows = [[title.upper() for title in TITLES]] + rows
    columns = list(TITLES)
    dropped = list(DROPPED_FIRST)
    while True:
        places = [TITLES.index(column) for column in columns]
        widths = {place: max(wide(row[place]) for row in rows) for place in places}
        over = sum(widths.values()) + len(GAP) * (len(places) - 1) - width
        host = TITLES.index("host")
        if over > 0 and (widths[host] - over >= HOST_LEAST or not dropped):
            widths[host] -= over
            over = 0
        if over <= 0:
            break
        columns.remove(dropped.pop(0))
    for row in rows:
        yield GAP.join(
            pad(cut(row[place], widths[place]), widths[place]) for place in places
        ).rstrip()


def _reasons(row, most, width):
    reasons = row["health"]["reasons"]
    texts = [
        "{0}{1}: {2}".format(INDENT, one["check"], shown(one["message"], 400))
        for one in reasons[:most]
    ]
    if len(reasons) > most:
        texts.append("{0}... and {1} more reasons".format(INDENT, len(reasons) - most))
    return [cut(text, width) for text in texts]


def _incidents(report):
    return report["fleet"]["incidents"][:REASONS_SHOWN]


def _summary(fleet):
    counts = fleet["severities"]
    parts = ["{0} {1}".format(counts[name], name.upper()) for name in ORDER if counts[name]]
    noun = "host" if fleet["count"] == 1 else "hosts"
    return "{0} {1}: {2}".format(fleet["count"], noun, ", ".join(parts) or "none")


def wide(text):
    """Number of columns that a terminal uses for a text."""
    columns = 0
    for char in text:
        if not unicodedata.combining(char):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def cut(text, width):
    """The text cut to a number of columns, with an ellipsis if it was longer."""
    if wide(text) <= width:
        return text
    kept = ""
    for char in text:
        if wide(kept + char) > width - 3:
            break
        kept += char
    return kept + "..."


def pad(text, width):
    return text + " " * (width - wide(text))
