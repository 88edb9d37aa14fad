# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts in one: counts, quantiles, incidents."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.fleet import quantiles, summarise

from ..made import NOW_S, change, earlier, facts


def ill(condition="busy"):
    record = facts()
    change(record, "clocks.0.cipu.sync." + condition, True)
    return record


def bare():
    record = facts()
    record.update(functions=[], clocks=[], chrony={"status": "absent"}, time_daemons=[])
    record["driver"] = {"name": "ptp_cipu", "loaded": False, "dkms": []}
    return record


def test_a_mixed_fleet():
    on_ntp = facts()
    change(on_ntp, "chrony.sources.0.state", "-")
    change(on_ntp, "chrony.sources.1.state", "*")
    change(on_ntp, "driver.loaded_version", "0.0.9")
    fleet = {"a": facts(), "b": facts(), "c": on_ntp, "d": None, "e": bare()}
    zones = {"a": "z1", "b": "z1", "c": "z2", "e": "z2"}
    told = summarise(fleet, zones=zones, now_s=NOW_S)
    assert told["count"] == 5
    assert told["applicable"] == 4
    assert told["states"] == {"DEGRADED": 1, "NOT_APPLICABLE": 1, "OK": 2, "UNKNOWN": 1}
    assert told["severities"] == {"ok": 3, "unknown": 1, "warning": 1}
    assert told["zones"] == {
        "none": {"UNKNOWN": 1},
        "z1": {"OK": 2},
        "z2": {"DEGRADED": 1, "NOT_APPLICABLE": 1},
    }
    assert told["driver_versions"] == {"0.0.9": 1, "0.1.0": 2, "none": 1}
    assert (told["on_phc"], told["on_phc_pct"]) == (2, 50.0)
    assert told["error_bound_ns"] == {"known": 3, "p50": 8012, "p99": 8012, "max": 8012}
    assert (told["state"], told["severity"]) == ("UNKNOWN", "unknown")
    assert told["incidents"] == []
    assert told["hosts"]["d"]["reasons"][0]["check"] == "facts"


def test_an_empty_fleet():
    told = summarise({})
    assert told["state"] == "NOT_APPLICABLE"
    assert told["on_phc_pct"] is None
    assert told["error_bound_ns"] == {"known": 0, "p50": None, "p99": None, "max": None}


def test_previous_facts_are_each_hosts_own():
    now = facts()
    change(now, "clocks.0.cipu.counters.gettm_inval_err", 500)
    told = summarise({"a": now, "b": now}, previous={"a": earlier()}, now_s=NOW_S)
    assert told["hosts"]["a"]["severity"] == "critical"
    assert told["hosts"]["b"]["severity"] == "ok"


@pytest.mark.parametrize(
    "well, sick, incident", [(0, 2, False), (12, 3, True), (13, 3, False), (0, 3, True)]
)
def test_an_incident_takes_enough_hosts_and_enough_of_the_zone(well, sick, incident):
    fleet = {"well{0:02}".format(i): facts() for i in range(well)}
    fleet.update({"sick{0}".format(i): ill() for i in range(sick)})
    zones = dict.fromkeys(fleet, "z")
    # Another zone with the same trouble, too small to be one; and a host without a clock.
    fleet.update(far=ill(), bare=bare())
    zones["bare"] = "z"
    told = summarise(fleet, zones=zones, now_s=NOW_S)["incidents"]
    if not incident:
        assert told == []
        return
    (one,) = told
    assert (one["zone"], one["condition"]) == ("z", "busy")
    assert one["hosts"] == sorted(name for name in fleet if name.startswith("sick"))
    assert one["share_pct"] == round(100.0 * sick / (well + sick), 1)


def test_another_bit_is_another_incident():
    fleet = {"a": ill(), "b": ill(), "c": ill("maintenance")}
    assert summarise(fleet, now_s=NOW_S)["incidents"] == []


def test_quantiles_are_values_that_are_there():
    assert quantiles([5, None, 1, 3], (50, 99)) == {"known": 3, "p50": 3, "p99": 5, "max": 5}
    assert quantiles(list(range(1, 201)), (50, 99)) == {
        "known": 200,
        "p50": 100,
        "p99": 198,
        "max": 200,
    }
