# SPDX-License-Identifier: GPL-3.0-or-later
"""The report conforms to its written schema, and the sample in the docs is a real one."""

import json
import os

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.report import build, to_json
from ansible_collections.cipu.clock.plugins.module_utils._health.row import row

from .made import NOW_S, change, facts
from .made_report import sample
from .written import ROOT, validator

VALIDATOR = validator("report-v1.json")


def test_the_sample_in_the_docs_is_what_the_code_writes():
    with open(os.path.join(ROOT, "docs/schema/report-v1.sample.json")) as sample_file:
        assert sample_file.read() == to_json(sample())


def test_the_sample_conforms():
    VALIDATOR.validate(json.loads(to_json(sample())))


def test_an_empty_fleet_conforms():
    VALIDATOR.validate(json.loads(to_json(build([], NOW_S, "0.2.0"))))


@pytest.mark.parametrize(
    "path, value",
    [
        ("clocks", "abc"),
        ("taken_at_s", float("nan")),
        ("clocks.0.measurement.offset_ns", float("inf")),
        ("clocks.0.name", "\ud800"),
        ("inventory_hostname", "spoofed"),
        ("kernel.running", "x" * 10**6),
    ],
)
def test_a_report_of_a_malformed_host_conforms(path, value):
    record = facts()
    change(record, path, value)
    text = to_json(build([row("a", record, now_s=NOW_S), row("b", facts())], NOW_S, "0.2.0"))
    report = json.loads(text, parse_constant=pytest.fail)
    VALIDATOR.validate(report)
    severities = {host["host"]: host["health"]["severity"] for host in report["hosts"]}
    assert severities == {"a": "unknown", "b": "ok"}
    (reason,) = report["hosts"][0]["health"]["reasons"]
    assert reason["message"].startswith("The facts are malformed: " + path.split(".")[0])
