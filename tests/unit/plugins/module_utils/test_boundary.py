# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust boundary: malformed facts are refused with the field, and only that host is UNKNOWN."""

import json

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.boundary import (
    Malformed,
    admit,
    comparable,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge
from ansible_collections.cipu.clock.plugins.module_utils._host.facts_spec import FACTS
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import Map, Real, Text, Whole

from ..made import DROP, NOW_S, change, earlier, facts

DEEP = {"a": 1}
for _level in range(500):
    DEEP = {"a": DEEP}

# path, value, the field that the reason names
MALFORMED = [
    ("clocks", "abc", "clocks is a string, not a list"),
    ("kernel", "6.1", "kernel is a string, not an object"),
    ("functions", "many", "functions is a string, not a list"),
    ("chrony", [], "chrony is a list, not an object"),
    ("chrony", None, "chrony is null, not an object"),
    ("clocks.0.measurement.offset_ns", float("inf"), "clocks[0].measurement.offset_ns is a number"),
    ("clocks.0.measurement.offset_ns", 1.5, "clocks[0].measurement.offset_ns is a number"),
    ("clocks.0.measurement.offset_ns", 10**30, "clocks[0].measurement.offset_ns is not between"),
    ("clocks.0.measurement.uncertainty_ns", -1, "clocks[0].measurement.uncertainty_ns is not"),
    ("taken_at_s", float("nan"), "taken_at_s is a number, not an integer"),
    ("taken_at_s", -5, "taken_at_s is not between"),
    ("taken_at_s", 10**400, "taken_at_s is not between"),
    ("taken_at_s", True, "taken_at_s is a boolean, not an integer"),
    ("taken_at_s", DROP, "taken_at_s is missing"),
    ("chrony.tracking.skew_ppm", float("nan"), "chrony.tracking.skew_ppm is not between"),
    ("chrony.tracking.root_delay_s", float("-inf"), "chrony.tracking.root_delay_s is not"),
    ("chrony.error_bound_s", -0.1, "chrony.error_bound_s is not between"),
    ("chrony.sources.0.reach", 256, "chrony.sources[0].reach is not between"),
    ("chrony.sources.0.mode", "x", "chrony.sources[0].mode is none of"),
    ("clocks.0.name", "\ud800", "clocks[0].name is not valid Unicode"),
    ("clocks.0.name", "x" * 161, "clocks[0].name is longer than"),
    ("clocks.0.links", ["x"] * 9, "clocks[0].links has more than 8 entries"),
    ("clocks", [{}] * 9, "clocks has more than 8 entries"),
    ("clocks.0.measurement", DEEP, "clocks[0].measurement.a is not a known field"),
    ("clocks.0.cipu.sync.busy", "no", "clocks[0].cipu.sync.busy is a string, not a boolean"),
    ("clocks.0.cipu.counters.gettm", -1, "clocks[0].cipu.counters.gettm is not between"),
    ("steal.during_probe_pct", 101, "steal.during_probe_pct is not between"),
    ("inventory_hostname", "other", "inventory_hostname is not a known field"),
    ("a\x1b[31m", 1, "a\\x1b[31m is not a known field"),
    ("schema", 2, "schema is 2, not 1"),
    ("schema", "1", "schema is a string, not 1"),
    ("schema", True, "schema is a boolean, not an integer"),
]


@pytest.mark.parametrize("path, value, why", MALFORMED)
def test_malformed_facts_are_unknown_and_the_field_is_named(path, value, why):
    record = facts()
    change(record, path, value)
    health = judge(record, None, None, NOW_S)
    assert (health["state"], health["severity"]) == ("UNKNOWN", "unknown")
    (reason,) = health["reasons"]
    assert reason["check"] == "facts"
    assert reason["message"].startswith("The facts are malformed: " + why)
    json.dumps(health, allow_nan=False).encode("ascii")


@pytest.mark.parametrize(
    "given", ["facts", 7, [1], {"schema": 1}, {1: 2}, {"schema": 10**400}, True]
)
def test_anything_but_a_record_of_facts_is_malformed(given):
    message = judge(given, None, None, NOW_S)["reasons"][0]["message"]
    assert message.startswith("The facts are malformed: ")


@pytest.mark.parametrize("given", [None, {}, [], ""])
def test_no_facts_are_reported_as_such(given):
    assert judge(given)["reasons"][0]["message"] == "The host returned no facts."


def test_admitted_facts_are_a_plain_copy():
    class Tagged(str):
        pass

    record = facts()
    record["clocksource"] = Tagged("tsc")
    record["taken_at_s"] = type("Int", (int,), {})(5)
    record["steal"]["during_probe_pct"] = type("Float", (float,), {})(0.5)
    admitted = admit(record)
    assert admitted == record
    assert type(admitted["clocksource"]) is str
    assert type(admitted["taken_at_s"]) is int
    assert type(admitted["steal"]["during_probe_pct"]) is float
    admitted["clocks"][0]["links"].append("x")
    assert admitted != record


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 99},
        {"boot_id": "another"},
        {"boot_id": None},
        {"clocks": "abc"},
        {"functions": [{"pci_address": "a"}] * 9},
    ],
)
def test_previous_facts_that_cannot_be_compared_are_ignored(changes):
    previous = earlier()
    previous["functions"] = [{"pci_address": "a"}, {"pci_address": "b"}, {"pci_address": "c"}]
    previous["clocksource"] = "hpet"
    previous.update(changes)
    assert comparable(facts(), previous) == {}
    health = judge(facts(), previous, None, NOW_S)
    assert (health["state"], health["reasons"]) == ("OK", [])


@pytest.mark.parametrize("previous", [None, 7, "x", [], {}, {"schema": 1}])
def test_previous_facts_of_another_type_are_ignored(previous):
    assert judge(facts(), previous, None, NOW_S)["state"] == "OK"


def test_functions_of_another_boot_are_not_reported_as_lost():
    now, previous = facts(), earlier()
    now.update(functions=[], clocks=[], chrony={"status": "absent"}, time_daemons=[])
    assert judge(now, previous, None, NOW_S)["state"] != "NOT_APPLICABLE"
    previous["boot_id"] = "another"
    assert judge(now, previous, None, NOW_S)["state"] == "NOT_APPLICABLE"


def test_what_fits_is_admitted():
    record = facts()
    record["clocks"] *= 20
    record["clocks"][0] = dict(record["clocks"][0], name="x" * 999, index=-1, unknown=1)
    record["chrony"]["sources"][0]["reach"] = 999
    record["missing"] = ["a" * 999] * 99
    dropped = []
    fitted = FACTS.fit(record, dropped=dropped)
    assert admit(fitted) == fitted
    assert len(fitted["clocks"]) == 8
    assert len(fitted["clocks"][0]["name"]) == 160
    assert any("chrony.sources[0].reach" in one for one in dropped)


@pytest.mark.parametrize(
    "kind, good, bad",
    [
        (Whole(0, 5), 5, 6),
        (Whole(0, 5), 0, 1.0),
        (Real(0, 5), 2.5, float("nan")),
        (Real(0, 5), 5, True),
        (Text(2), "ab", "abc"),
        (Map(Whole(0, 5), 1, 3), {"abc": 1}, {"abcd": 1}),
        (Map(Whole(0, 5), 1, 3), {}, {"a": 1, "b": 1}),
    ],
)
def test_types(kind, good, bad):
    assert kind.admit(good, "it") == good
    with pytest.raises(Malformed, match="it"):
        kind.admit(bad, "it")
