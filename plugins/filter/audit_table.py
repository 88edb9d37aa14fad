# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a readable table of an audit's report."""

DOCUMENTATION = r"""
name: audit_table
short_description: Lines of a table of an audit's report
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Makes the lines of a table, a line a host, below it one for each reason, and a last one for the
    fleet. What hosts told is cut and freed of control characters.
options:
  _input:
    description: A report as P(cipu.clock.audit_report#filter) makes it.
    type: dict
    required: true
"""

EXAMPLES = r"""
lines: "{{ report | cipu.clock.audit_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

TITLES = ("host", "kernel", "driver", "clock", "offset us", "bound us", "source", "health")
CUT = 120


def clean(value):
    """Text of a value that came from a host: printable, bounded, a dash for none."""
    if value is None:
        return "-"
    return "".join(char if char.isprintable() else "?" for char in str(value))[:CUT]


def micro(value_ns):
    return "-" if value_ns is None else "{0:.1f}".format(value_ns / 1000.0)


def offset(clock):
    if clock["offset_ns"] is None:
        return "-"
    return "{0} ± {1}".format(micro(clock["offset_ns"]), micro(clock["uncertainty_ns"]))


def cells(item):
    return [
        clean(item["host"]),
        clean(item["kernel"]),
        clean(item["driver_version"]),
        clean(item["clock"]["state"]),
        offset(item["clock"]),
        micro(item["error_bound_ns"]),
        clean(item["chrony_source"]),
        clean(item["health"]["state"]),
    ]


def reasons(item):
    return [
        "    {0}: {1}".format(clean(reason.get("check")), clean(reason.get("message")))
        for reason in item["health"]["reasons"]
    ]


def audit_table(report):
    rows = [cells(item) for item in report["hosts"]]
    widths = [max(len(row[column]) for row in [TITLES] + rows) for column in range(len(TITLES))]

    def line(row):
        padded = (text.ljust(widths[column]) for column, text in enumerate(row))
        return "  ".join(padded).rstrip()

    lines = [line(TITLES)]
    for number, item in enumerate(report["hosts"]):
        lines.append(line(rows[number]))
        lines.extend(reasons(item))
    states = sorted(report["fleet"]["states"].items())
    lines.append(
        "{0} hosts: {1}".format(
            report["fleet"]["hosts"], ", ".join("{1} {0}".format(*state) for state in states)
        )
    )
    return lines


class FilterModule:
    def filters(self):
        return {"audit_table": audit_table}
