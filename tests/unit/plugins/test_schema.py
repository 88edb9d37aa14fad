# SPDX-License-Identifier: GPL-3.0-or-later
"""Collected facts and judged facts both conform to the written schema."""

import json
import os

import pytest

from .made import change, earlier, facts, report
from .module_utils.test_collect import SAID, MadeUp

jsonschema = pytest.importorskip("jsonschema")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

with open(os.path.join(ROOT, "docs/schema/clockprobe-v1.json")) as source:
    PROBE = jsonschema.Draft202012Validator(json.load(source))
with open(os.path.join(ROOT, "docs/schema/facts-v1.json")) as source:
    SCHEMA = json.load(source)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_made_up_report_is_one_of_clockprobe():
    PROBE.validate(report())


def test_collected_facts_fit(tmp_path):
    VALIDATOR.validate(MadeUp(tmp_path).facts())


def test_facts_of_an_empty_host_fit(tmp_path):
    VALIDATOR.validate(MadeUp(tmp_path, {}, {}).facts())


def test_facts_from_a_hostile_probe_fit(tmp_path):
    hostile = report()
    hostile["clocks"] *= 20
    hostile["clocks"][0] = {
        "kind": "cipu",
        "node": 7,
        "index": "x",
        "links": "y",
        "cipu": {"sync": 1},
    }
    hostile["clocks"][1]["measurement"] = None
    hostile["functions"].append({"pci_address": None, "driver": ["a"]})
    hostile["vmclock"] = {str(number): number for number in range(100)}
    said = dict(SAID, clockprobe=json.dumps(hostile), chronyc="#,*,x,y,z,8,1e999,nan,inf,\n" * 99)
    VALIDATOR.validate(MadeUp(tmp_path, said=said).facts())


def test_the_facts_that_the_judge_is_tested_with_fit():
    VALIDATOR.validate(facts())
    VALIDATOR.validate(earlier())


def test_a_wrong_name_does_not_fit():
    record = facts()
    change(record, "chrony.tracking.skew", 1.0)
    assert not VALIDATOR.is_valid(record)
