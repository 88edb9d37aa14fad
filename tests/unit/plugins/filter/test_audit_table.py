# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a report: order, width, length, and text from hostile hosts."""

import pytest
from ansible_collections.cipu.clock.plugins.filter.audit_table import audit_table
from ansible_collections.cipu.clock.plugins.module_utils._health.report import build
from ansible_collections.cipu.clock.plugins.module_utils._health.row import (
    row,
    row_without_facts,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.table import duration, wide

from ..made import NOW_S, change, facts
from ..made_report import sample


def fleet(hosts):
    rows = [row(name, record, now_s=NOW_S) for name, record in hosts.items()]
    return build(rows, NOW_S, "0.2.0")


def changed(path, value):
    record = facts()
    change(record, path, value)
    return record


def severities(lines):
    words = ("CRITICAL", "UNKNOWN", "WARNING", "OK", "NOT_APPLICABLE")
    return [line.split()[0] for line in lines if line.split() and line.split()[0] in words]


def test_the_worst_host_comes_first_and_severity_leads():
    lines = audit_table(sample())
    assert lines[0].split()[0] == "SEVERITY"
    assert severities(lines) == ["CRITICAL", "UNKNOWN", "OK"]
    assert lines[-1] == "3 hosts: 1 CRITICAL, 1 UNKNOWN, 1 OK"
    assert "    sync_stat: /dev/ptp0 reports clock abnormal." in lines


def test_columns_are_aligned():
    lines = audit_table(sample())
    place = lines[0].index("HOST")
    assert [
        line[place:].split()[0] for line in lines if line[:1].isalpha() and "hosts" not in line
    ] == [
        "HOST",
        "web2",
        "db1",
        "web1",
    ]


@pytest.mark.parametrize("width", [1, 40, 60, 79, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width):
    hosts = {"host-with-a-long-name-{0}.example.com".format(i): facts() for i in range(3)}
    hosts["x" * 200] = changed("kernel.running", "k" * 128)
    hosts["\u4e2d\u6587" * 40] = changed("clocks.0.cipu.sync.clock_abnormal", True)
    lines = audit_table(fleet(hosts), width)
    assert all(wide(line) <= max(40, width) for line in lines)
    assert len(severities(lines)) == 5


def test_three_thousand_hosts_are_a_summary_and_the_worst_twenty():
    hosts = {"h{0}".format(i): facts() for i in range(3000)}
    hosts["h1500"] = changed("clocks.0.cipu.sync.device_error", True)
    lines = audit_table(fleet(hosts))
    assert len(lines) < 50
    assert severities(lines)[:2] == ["CRITICAL", "OK"]
    assert len(severities(lines)) == 20
    assert "... and 2980 more hosts" in lines
    assert lines[-1] == "3000 hosts: 1 CRITICAL, 2999 OK"


@pytest.mark.parametrize(
    "text", ["\x1b[31mred\x1b[0m", "a\nb", "\u202eevil", "\x9b2J", "\r", "{{ 1 }}"]
)
def test_text_of_a_host_is_shown_as_text(text):
    hosts = {
        "a": changed("kernel.running", text),
        "b": changed("chrony.selected", text),
        "c": changed("driver.loaded_version", text),
        "d": changed("clocks.0.node", text),
        "e": dict(facts(), **{text: 1}),
    }
    report = fleet(hosts)
    report["hosts"].append(row_without_facts("f", "The host is unreachable: " + text, "Look."))
    lines = audit_table(report, 200)
    assert all(line.isprintable() for line in lines)
    assert len(severities(lines)) == 6


@pytest.mark.parametrize(
    "value_ns, text",
    [(None, "-"), (0, "0.0 us"), (-1250, "-1.2 us"), (1500000, "1.5 ms"), (37 * 10**9, "37 s")],
)
def test_a_duration_has_the_unit_that_suits_it(value_ns, text):
    assert duration(value_ns) == text
