# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of every verdict: worse input is never judged better, and unknown is never OK."""

import copy

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import SEVERITIES, STATES
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge

from ..made import DROP, NOW_S, change, earlier, facts, paths

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
given, settings = hypothesis.given, hypothesis.settings

CLOCK = "clocks.0."
COUNTER = CLOCK + "cipu.counters."

# Inputs by path, from good to bad: a later value is never better than an earlier one.
LADDERS = {
    "functions.0.driver": ["ptp_cipu", DROP],
    "driver.loaded_version": ["0.2.0", "9"],
    "driver.installed_srcversion": ["B1E2A3D4C5F60718293A4B5", "X"],
    CLOCK + "cipu.registers.dev_stat": [2, 1],
    CLOCK + "cipu.sync.maintenance": [False, True],
    CLOCK + "cipu.sync.busy": [False, True],
    CLOCK + "cipu.sync.clock_abnormal": [False, True],
    CLOCK + "cipu.sync.device_error": [False, True],
    COUNTER + "clk_abn": [0, 1, 5],
    COUNTER + "maint_tout": [0, 1],
    COUNTER + "gettm_inval_err": [0, 1, 9, 10, 900],
    COUNTER + "gettm_tout_err": [0, 1, 10, 900],
    COUNTER + "gettm_excd_thresh": [0, 1, 900],
    CLOCK + "measurement.offset_ns": [0, 50000, 62000, 152000, 10**12],
    CLOCK + "measurement.bracket_ns.p99": [1, 10**6, 10**6 + 1, 2 * 10**6, 10**10],
    "time_daemons": [["chronyd"], ["chronyd", "ntpd"]],
    "chrony.sources.0.reach": [255, 127, 0o325, 0],
    "chrony.sources.1.offset_s": [0.0, 0.02, 0.5, 37.0],
    "chrony.tracking.leap": ["Normal", "Not synchronised"],
    "chrony.tracking.stratum": [1, 16],
    "chrony.tracking.skew_ppm": [0.01, 1.5, 1e6],
    "chrony.tracking.ref_time_s": [NOW_S, NOW_S - 31, 0],
    "chrony.error_bound_s": [0.0, 0.00005, 0.001, 1e6],
    "chrony.refclocks.0.device": ["/dev/ptp_cipu", "/dev/ptp0"],
    CLOCK + "mode": ["0660", "0600"],
    "clocksource": ["tsc", "hpet"],
    "steal.stolen_ticks": [10, 200, 2000],
    "kernel.bootable.0.has_module": [True, False],
    "secure_boot.lockdown": ["none", "integrity"],
}
RUNGS = st.fixed_dictionaries(
    {path: st.integers(0, len(ladder) - 1) for path, ladder in LADDERS.items()}
)


def at(rungs):
    record = facts()
    for path, rung in rungs.items():
        value = LADDERS[path][rung]
        change(record, path, value if value is DROP else copy.deepcopy(value))
    return record


def ranks(health):
    return STATES.index(health["state"]), SEVERITIES.index(health["severity"])


@settings(max_examples=300, deadline=None)
@given(RUNGS, st.data(), st.booleans())
def test_worse_input_is_never_judged_better(rungs, data, with_previous):
    path = data.draw(st.sampled_from(sorted(LADDERS)))
    worse = dict(rungs, **{path: data.draw(st.integers(rungs[path], len(LADDERS[path]) - 1))})
    previous = earlier() if with_previous else None
    better = ranks(judge(at(rungs), previous, {"pinned_driver_version": "0.2.0"}, NOW_S))
    after = ranks(judge(at(worse), previous, {"pinned_driver_version": "0.2.0"}, NOW_S))
    assert after[0] >= better[0]
    assert after[1] >= better[1]


# Without any one of these no host is OK.
ESSENTIAL = [
    "schema",
    "taken_at_s",
    "probe",
    "chrony",
    "chrony.tracking",
    "chrony.tracking.leap",
    "chrony.tracking.stratum",
    "chrony.tracking.ref_time_s",
    "chrony.sources",
    "chrony.error_bound_s",
    "time_daemons",
    "clocks",
    "clocks.0.measurement",
    "clocks.0.measurement.status",
    "clocks.0.measurement.offset_ns",
    "clocks.0.measurement.uncertainty_ns",
    "clocks.0.cipu",
    "clocks.0.cipu.sync",
    "clocks.0.cipu.counters",
    "clocks.0.cipu.registers",
]
RUBBISH = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
    st.just(float("nan")),
    st.just({"x": 1}),
)


@pytest.mark.parametrize("path", ESSENTIAL)
@settings(max_examples=30, deadline=None)
@given(rubbish=RUBBISH)
def test_unknown_is_never_ok(path, rubbish):
    record = facts()
    change(record, path, rubbish)
    if path == "time_daemons" and isinstance(rubbish, list):
        rubbish = None  # an empty list of daemons is a valid answer, and critical
    health = judge(record, None, None, NOW_S)
    assert health["state"] not in {"OK", "NOT_APPLICABLE"}, rubbish
    assert health["reasons"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


PATHS = sorted(paths(facts()))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(PATHS), JSON, min_size=1, max_size=4))
def test_hostile_facts_are_judged(changes):
    record, before = facts(), earlier()
    for path, value in changes.items():
        for target in (record, before):
            try:
                change(target, path, value)
            except (KeyError, TypeError, AttributeError, IndexError, ValueError):
                continue  # an earlier change removed the path
    health = judge(record, before, None, NOW_S)
    assert health["state"] in {*STATES, "NOT_APPLICABLE"}
    assert health["severity"] in SEVERITIES
    assert (health["state"] == "OK") == (health["severity"] == "ok" and not health["reasons"]) or (
        health["state"] == "NOT_APPLICABLE"
    )
