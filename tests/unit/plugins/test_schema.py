# SPDX-License-Identifier: GPL-3.0-or-later
"""Collected facts and judged facts both conform to the written schema."""

import json

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.boundary import Malformed, admit

from .made import change, earlier, facts, paths, report
from .module_utils.test_collect import OUTPUTS, Simulated
from .written import validator

PROBE = validator("clockprobe-v1.json")
VALIDATOR = validator("facts-v1.json")


def test_the_simulated_report_conforms_to_clockprobes_schema():
    PROBE.validate(report())


def test_collected_facts_fit(tmp_path):
    VALIDATOR.validate(Simulated(tmp_path).facts())


def test_facts_of_an_empty_host_fit(tmp_path):
    VALIDATOR.validate(Simulated(tmp_path, {}, {}).facts())


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
    outputs = dict(
        OUTPUTS, clockprobe=json.dumps(hostile), chronyc="#,*,x,y,z,8,1e999,nan,inf,\n" * 99
    )
    VALIDATOR.validate(Simulated(tmp_path, outputs=outputs).facts())


def test_the_facts_that_the_judge_is_tested_with_fit():
    VALIDATOR.validate(facts())
    VALIDATOR.validate(earlier())


def test_a_wrong_name_does_not_fit():
    record = facts()
    change(record, "chrony.tracking.skew", 1.0)
    assert not VALIDATOR.is_valid(record)


hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
# What JSON carries, without numbers that JSON schema and Python classify differently (1.0 is an
# integer to one of them).
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0.5, -1e300])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.sampled_from(sorted(paths(facts()))), VALUES)
def test_the_controller_admits_what_the_schema_allows(path, value):
    record = facts()
    change(record, path, value)
    try:
        admit(record)
        admitted = True
    except Malformed:
        admitted = False
    assert admitted == VALIDATOR.is_valid(record)
