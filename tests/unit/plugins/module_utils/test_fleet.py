# SPDX-License-Identifier: GPL-3.0-or-later
"""The one summary of a fleet: counts, quantiles, incidents."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.fleet import quantiles, summarise
from ansible_collections.cipu.clock.plugins.module_utils._health.row import row

from ..made import NOW_S, change, facts


def faulty(condition="busy"):
    record = facts()
    change(record, "clocks.0.cipu.sync." + condition, True)
    return record


def without_clock():
    record = facts()
    record.update(functions=[], clocks=[], chrony={"status": "absent"}, time_daemons=[])
    record["driver"] = {"name": "ptp_cipu", "loaded": False, "dkms": []}
    return record


def summary(fleet, zones=None):
    zones = zones or {}
    return summarise(
        [row(name, fleet[name], now_s=NOW_S, zone=zones.get(name)) for name in sorted(fleet)]
    )


def present(counts):
    return {name: count for name, count in counts.items() if count}


def test_a_mixed_fleet():
    on_ntp = facts()
    change(on_ntp, "chrony.sources.0.state", "-")
    change(on_ntp, "chrony.sources.1.state", "*")
    change(on_ntp, "driver.loaded_version", "0.0.9")
    fleet = {"a": facts(), "b": facts(), "c": on_ntp, "d": None, "e": without_clock()}
    result = summary(fleet, {"a": "z1", "b": "z1", "c": "z2", "e": "z2"})
    assert result["count"] == 5
    assert result["applicable"] == 4
    assert result["states"] == {"DEGRADED": 1, "NOT_APPLICABLE": 1, "OK": 2, "UNKNOWN": 1}
    assert result["severities"] == {
        "ok": 2,
        "warning": 1,
        "unknown": 1,
        "critical": 0,
        "not_applicable": 1,
    }
    assert {zone: present(counts) for zone, counts in result["zones"].items()} == {
        "none": {"unknown": 1},
        "z1": {"ok": 2},
        "z2": {"warning": 1, "not_applicable": 1},
    }
    assert result["driver_versions"] == {"0.0.9": 1, "0.2.0": 2, "none": 1}
    assert result["kernels"] == {"6.1.0-40-amd64": 4, "unknown": 1}
    assert {name: present(counts) for name, counts in result["checks"].items()} == {
        "chrony_source": {"warning": 1},
        "facts": {"unknown": 1},
    }
    assert (result["on_phc"], result["on_phc_pct"]) == (2, 50.0)
    assert result["error_bound_ns"] == {"known": 3, "p50": 8012, "p99": 8012, "max": 8012}
    assert result["offset_ns"] == {"known": 3, "p50": 1250, "p99": 1250, "max": 1250}
    assert (result["state"], result["severity"]) == ("UNKNOWN", "unknown")
    assert result["incidents"] == []


def test_an_empty_fleet():
    result = summary({})
    assert (result["state"], result["severity"]) == ("NOT_APPLICABLE", "not_applicable")
    assert result["on_phc_pct"] is None
    assert result["error_bound_ns"] == {"known": 0, "p50": None, "p99": None, "max": None}


@pytest.mark.parametrize("zones", [{"a": 1, "b": "x"}, {"a": ["z"], "b": None}, {"a": 1.5, "b": 2}])
def test_zones_of_mixed_types_are_names(zones):
    result = summary({"a": facts(), "b": facts()}, zones)
    assert sum(counts["ok"] for counts in result["zones"].values()) == 2
    assert all(isinstance(zone, str) for zone in result["zones"])


@pytest.mark.parametrize(
    "healthy, failing, incident", [(0, 2, False), (12, 3, True), (13, 3, False), (0, 3, True)]
)
def test_an_incident_needs_enough_hosts_and_enough_of_the_zone(healthy, failing, incident):
    fleet = {"healthy{0:02}".format(i): facts() for i in range(healthy)}
    fleet.update({"failing{0}".format(i): faulty() for i in range(failing)})
    zones = dict.fromkeys(fleet, "z")
    # Another zone with the same condition, too small for an incident; and a host without a clock.
    fleet.update(far=faulty(), bare=without_clock())
    zones["bare"] = "z"
    found = summary(fleet, zones)["incidents"]
    if not incident:
        assert found == []
        return
    (one,) = found
    assert (one["zone"], one["condition"]) == ("z", "busy")
    assert one["hosts"] == sorted(name for name in fleet if name.startswith("failing"))
    assert one["share_pct"] == round(100.0 * failing / (healthy + failing), 1)


def test_another_condition_is_another_incident():
    fleet = {"a": faulty(), "b": faulty(), "c": faulty("maintenance")}
    assert summary(fleet)["incidents"] == []


def test_quantiles_are_values_of_hosts():
    assert quantiles([5, None, 1, 3], (50, 99)) == {"known": 3, "p50": 3, "p99": 5, "max": 5}
    assert quantiles(list(range(1, 201)), (50, 99)) == {
        "known": 200,
        "p50": 100,
        "p99": 198,
        "max": 200,
    }
