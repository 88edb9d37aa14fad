# SPDX-License-Identifier: GPL-3.0-or-later
"""clock_health by table: one change to a healthy host, one check that fires, and no other."""

import copy

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import BY_NAME, CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import SEVERITIES, STATES
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import headline, judge

from ..made import DROP, NOW_S, change, earlier, facts

CLOCK = "clocks.0."
CIPU = CLOCK + "cipu."
MEASURED = CLOCK + "measurement."
TRACKING = "chrony.tracking."
W, C = "warning", "critical"

# check, severity, state, changes to the facts, changes to the previous facts (None: no such facts)
TABLE = [
    ("function", C, "DEGRADED", {"functions.0.driver": DROP}, None),
    ("function", C, "DEGRADED", {}, {"functions": [{"pci_address": "a"}, {"pci_address": "b"}]}),
    ("driver_version", W, "DEGRADED", {"driver.loaded_version": "0.0.9"}, None),
    ("driver_version", W, "DEGRADED", {"driver.installed_version": "0.1.0"}, None),
    ("driver_loaded", W, "DEGRADED", {"driver.installed_srcversion": "OTHER"}, None),
    ("dev_stat", C, "DEGRADED", {CIPU + "registers.dev_stat": 0}, None),
    ("dev_stat", C, "DEGRADED", {CIPU + "registers.dev_stat": 1}, None),
    ("sync_stat", W, "DEGRADED", {CIPU + "sync.maintenance": True}, None),
    ("sync_stat", W, "DEGRADED", {CIPU + "sync.busy": True}, None),
    ("sync_stat", C, "DEGRADED", {CIPU + "sync.clock_abnormal": True}, None),
    ("sync_stat", C, "DEGRADED", {CIPU + "sync.device_error": True}, None),
    (
        "sync_stat",
        C,
        "DEGRADED",
        {CIPU + "sync.busy": True},
        {CIPU + "sync.busy": True, "taken_at_s": NOW_S - 61},
    ),
    (
        "sync_stat",
        W,
        "DEGRADED",
        {CIPU + "sync.busy": True},
        {CIPU + "sync.busy": True, "taken_at_s": NOW_S - 60},
    ),
    ("standing_events", W, "DEGRADED", {CIPU + "counters.clk_abn": 1}, None),
    ("standing_events", W, "DEGRADED", {CIPU + "counters.maint": 2}, None),
    ("standing_events", C, "DEGRADED", {CIPU + "counters.maint_tout": 1}, {}),
    ("read_errors", W, "DEGRADED", {CIPU + "counters.gettm_inval_err": 9}, {}),
    ("read_errors", C, "DEGRADED", {CIPU + "counters.gettm_tout_err": 10}, {}),
    ("over_threshold", W, "DEGRADED", {CIPU + "counters.gettm_excd_thresh": 1}, {}),
    ("read_bracket", W, "DEGRADED", {MEASURED + "bracket_ns.p99": 1000001}, None),
    ("read_bracket", C, "DEGRADED", {MEASURED + "bracket_ns.p99": 2000000}, None),
    ("measurement", C, "DEGRADED", {MEASURED + "status": "failed"}, None),
    ("measurement", C, "DEGRADED", {MEASURED + "status": "inconsistent"}, None),
    ("measurement", "unknown", "UNKNOWN", {MEASURED + "status": "stepped"}, None),
    ("measurement", C, "DEGRADED", {"clocks": []}, None),
    ("phc_offset", W, "DEGRADED", {MEASURED + "offset_ns": 61201}, None),
    ("phc_offset", C, "DEGRADED", {MEASURED + "offset_ns": -151201}, None),
    (
        "phc_offset",
        C,
        "DEGRADED",
        {MEASURED + "offset_ns": 80000, CIPU + "registers.thresh_us": 20},
        None,
    ),
    ("time_daemon", W, "DEGRADED", {"time_daemons": ["chronyd", "timesyncd"]}, None),
    ("time_daemon", C, "UNSYNCED", {"time_daemons": []}, None),
    ("chrony_source", C, "UNSYNCED", {"chrony.sources.0.state": "?"}, None),
    (
        "chrony_source",
        W,
        "DEGRADED",
        {"chrony.sources.0.state": "-", "chrony.sources.1.state": "*"},
        None,
    ),
    (
        "chrony_source",
        W,
        "DEGRADED",
        {"chrony": {"status": "absent"}, "time_daemons": ["timesyncd"]},
        None,
    ),
    ("leap_status", C, "UNSYNCED", {TRACKING + "leap": "Not synchronised"}, None),
    ("stratum", C, "UNSYNCED", {TRACKING + "stratum": 0}, None),
    ("stratum", C, "UNSYNCED", {TRACKING + "stratum": 16}, None),
    ("reach", W, "DEGRADED", {"chrony.sources.0.reach": 0o325}, None),
    ("reach", C, "DEGRADED", {"chrony.sources.0.reach": 0}, None),
    ("skew", W, "DEGRADED", {TRACKING + "skew_ppm": 1.01}, None),
    ("update_age", W, "FREERUNNING", {TRACKING + "ref_time_s": NOW_S - 31}, None),
    (
        "update_age",
        W,
        "FREERUNNING",
        {TRACKING + "ref_time_s": NOW_S - 81, TRACKING + "update_interval_s": 10.0},
        None,
    ),
    ("error_bound", W, "DEGRADED", {"chrony.error_bound_s": 0.00005}, None),
    ("error_bound", C, "DEGRADED", {"chrony.error_bound_s": 0.001}, None),
    ("error_bound", "unknown", "UNKNOWN", {"chrony.error_bound_s": DROP}, None),
    ("phc_against_ntp", W, "DEGRADED", {"chrony.sources.1.offset_s": 0.02}, None),
    ("phc_against_ntp", C, "DEGRADED", {"chrony.sources.1.offset_s": -37.0}, None),
    ("refclock_device", W, "DEGRADED", {"chrony.refclocks.0.device": "/dev/ptp0"}, None),
    (
        "refclock_device",
        C,
        "DEGRADED",
        {
            "chrony.refclocks.0.device": "/dev/ptp7",
            "clocks.1": {"node": "/dev/ptp7", "kind": "kvm"},
        },
        None,
    ),
    ("refclock_device", C, "DEGRADED", {CLOCK + "links": []}, None),
    (
        "refclock_device",
        W,
        "DEGRADED",
        {"chrony.refclocks.1": {"driver": "PHC", "device": "/dev/ptp_cipu-0000:00:10.0"}},
        None,
    ),
    ("device_access", C, "DEGRADED", {CLOCK + "mode": "0600"}, None),
    ("device_access", C, "DEGRADED", {"chrony.groups": ["nogroup"]}, None),
    ("clocksource", C, "DEGRADED", {"clocksource": "hpet"}, None),
    ("clocksource", W, "DEGRADED", {}, {"clocksource": "kvm-clock"}),
    ("steal", W, "DEGRADED", {"steal.stolen_ticks": 10 + 121}, {}),
    ("steal", C, "DEGRADED", {"steal.stolen_ticks": 10 + 601}, {}),
    ("steal", C, "DEGRADED", {"steal.during_probe_pct": 10.5}, None),
    ("vmclock", C, "DISRUPTED", {"vmclock": {"clock_status": "unreliable"}}, None),
    (
        "vmclock",
        C,
        "DISRUPTED",
        {"vmclock": {"disruption_marker": 2}},
        {"vmclock": {"disruption_marker": 1}},
    ),
    ("vmclock", C, "DISRUPTED", {"vmclock": {"disruption_changed": True}}, None),
    ("kernel_module", C, "DEGRADED", {"kernel.bootable.0.has_module": False}, None),
    (
        "kernel_module",
        W,
        "DEGRADED",
        {"kernel.bootable.1": {"release": "x", "has_headers": True, "has_module": False}},
        None,
    ),
    ("module_signature", C, "DEGRADED", {"secure_boot.lockdown": "integrity"}, None),
    ("module_signature", C, "DEGRADED", {"secure_boot.signature_enforced": True}, None),
]


def apply(record, changes):
    for path, value in changes.items():
        target = record
        steps = path.split(".")
        for step in steps[:-1]:
            target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
        if isinstance(target, list) and int(steps[-1]) == len(target):
            target.append(value)
        else:
            change(record, path, value)


def test_a_healthy_host_is_ok():
    health = judge(facts(), earlier(), {"pinned_driver_version": "0.2.0"}, NOW_S)
    assert (health["state"], health["severity"], health["reasons"]) == ("OK", "ok", [])
    assert [entry["check"] for entry in health["not_checked"]] == ["vmclock"]
    assert health["checks_run"] == len(CHECKS) - 1
    assert health["error_bound_ns"] == 7012 + 1000


@pytest.mark.parametrize("check, severity, state, changes, before", TABLE)
def test_one_change_one_reason(check, severity, state, changes, before):
    now = copy.deepcopy(facts())
    previous = None
    if before is not None:
        previous = earlier()
        apply(previous, before)
    apply(now, changes)
    health = judge(now, previous, {"pinned_driver_version": "0.2.0"}, NOW_S)
    assert reported(health) == [(check, severity)]
    assert (health["state"], health["severity"]) == (state, severity)
    reason = health["reasons"][0]
    assert reason["advice"] == BY_NAME[check].advice
    assert reason["unit"] == BY_NAME[check].unit
    assert reason["message"].endswith(".")


def test_every_check_can_fire():
    assert {row[0] for row in TABLE} == set(BY_NAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"boot_id": "another"},
        {"driver.load_id": 100},
        {"clocks.0.instance": 4712},
        {"clocks.0.cipu.counters.gettm": 100001},  # the count before is the higher one
        {"clocks.0.pci_address": "0000:00:1f.0"},
        {"taken_at_s": NOW_S},
        {"clocks": "rubbish"},
    ],
)
def test_no_delta_where_counters_may_have_been_reset(changes):
    now, previous = facts(), earlier()
    change(now, "clocks.0.cipu.counters.gettm_inval_err", 500)
    apply(previous, changes)
    health = judge(now, previous, None, NOW_S)
    assert [reason["check"] for reason in health["reasons"]] == []
    assert "read_errors" in [entry["check"] for entry in health["not_checked"]]


KVM = {"node": "/dev/ptp7", "kind": "kvm", "links": ["/dev/ptp_kvm"]}
FALLBACK = {"driver": "PHC", "device": "/dev/ptp_kvm", "refid": "KVM"}


def with_fallback():
    """chrony reads the CIPU clock, and the hypervisor's clock as a fallback."""
    now = facts()
    now["clocks"].append(dict(KVM))
    now["chrony"]["refclocks"].append(dict(FALLBACK))
    now["chrony"]["sources"].insert(
        1, dict(now["chrony"]["sources"][0], name="KVM", state="+", reach=255)
    )
    return now


def reported(health):
    return [(reason["check"], reason["severity"]) for reason in health["reasons"]]


def test_a_second_refclock_as_a_fallback_is_healthy():
    assert reported(judge(with_fallback(), None, None, NOW_S)) == []


def test_a_fallback_in_use_is_reported():
    now = with_fallback()
    change(now, "chrony.sources.0.state", "?")
    change(now, "chrony.sources.0.reach", 0)
    change(now, "chrony.sources.1.state", "*")
    health = judge(now, None, None, NOW_S)
    assert reported(health) == [("reach", "critical"), ("chrony_source", "warning")]
    messages = [reason["message"] for reason in health["reasons"]]
    assert messages == [
        "CIPU answered 0 of the last 8 polls.",
        "chrony has selected KVM, not the PHC.",
    ]


def test_a_refclock_without_a_refid_has_chronys_default():
    now = with_fallback()
    change(now, "chrony.refclocks.0.refid", DROP)
    change(now, "chrony.refclocks.1.refid", DROP)
    change(now, "chrony.sources.0.name", "PHC0")
    change(now, "chrony.sources.1.name", "PHC1")
    assert reported(judge(now, None, None, NOW_S)) == []
    change(now, "chrony.sources.0.state", "+")
    change(now, "chrony.sources.1.state", "*")
    assert reported(judge(now, None, None, NOW_S)) == [("chrony_source", "warning")]


def test_twenty_servers_do_not_hide_the_selected_source():
    now = facts()
    server = now["chrony"]["sources"][1]
    listed = [dict(server, name="192.0.2.{0}".format(i)) for i in range(16)]
    change(now, "chrony.sources", listed)
    change(now, "chrony.tracking.source", "192.0.2.19")
    found = judge(now, None, None, NOW_S)["reasons"]
    assert [(r["check"], r["severity"], r["value"]) for r in found] == [
        ("chrony_source", "warning", "192.0.2.19")
    ]
    # A short list is complete.
    change(now, "chrony.sources", listed[:15])
    assert ("chrony_source", "critical") in reported(judge(now, None, None, NOW_S))


def test_a_restarting_chronyd_does_not_count_and_the_missing_device_is_named():
    now = facts()
    now.update(clocks=[], functions=[], time_daemons=[])
    now["chrony"] = {"status": "restarting", "missing_devices": ["/dev/ptp_cipu"]}
    health = judge(now, None, None, NOW_S)
    assert [one["message"] for one in health["reasons"]] == [
        "chrony is configured to use a CIPU clock, but there is no CIPU function.",
        "No time daemon runs. chronyd fails and is restarted repeatedly. "
        "chrony's refclock device /dev/ptp_cipu does not exist.",
    ]


def test_a_refclock_that_waits_for_its_device_is_reported():
    now = facts()
    change(now, "chrony.missing_devices", ["/dev/ptp_cipu"])
    change(now, "chrony.refclocks", [])
    assert reported(judge(now, None, None, NOW_S)) == [("refclock_device", "warning")]


def test_no_daemon_and_a_missing_device_name_the_device():
    now = facts()
    now.update(clocks=[], time_daemons=[])
    now["chrony"] = {"status": "stopped", "refclocks": now["chrony"]["refclocks"]}
    health = judge(now, None, None, NOW_S)
    (reason,) = [one for one in health["reasons"] if one["check"] == "time_daemon"]
    assert reason["message"] == (
        "No time daemon runs. chrony's refclock device /dev/ptp_cipu does not exist."
    )
    assert health["state"] == "UNSYNCED"


@pytest.mark.parametrize(
    "reach, severity",
    [
        (0b00000000, "critical"),
        (0b00000001, "ok"),  # filling after a start
        (0b00000111, "ok"),
        (0b01111111, "ok"),
        (0b11111111, "ok"),
        (0b11111110, "ok"),  # single missed polls
        (0b10111101, "ok"),
        (0b11010101, "warning"),
        (0b10000000, "warning"),
        (0b11110000, "warning"),
    ],
)
def test_reach(reach, severity):
    now = facts()
    change(now, "chrony.sources.0.reach", reach)
    assert judge(now, None, None, NOW_S)["severity"] == severity


@pytest.mark.parametrize(
    "reach, uptime_s, severity",
    [
        # A poll every 8 s. chronyd runs for so long that it made all polls of the register.
        (0b00000000, 1000, "critical"),
        (0b00001000, 1000, "warning"),
        (0b11110000, 1000, "warning"),
        (0b11111000, 1000, "warning"),
        # It was started 40 s ago: the first poll was answered, a later one was not.
        (0b00001101, 40, "ok"),
        (0b00001100, 40, "ok"),
        (0b00011000, 40, "warning"),
        (0b00001000, 40, "warning"),
        # The first polls were not answered.
        (0b00000001, 64, "ok"),
        (0b00000000, 40, "critical"),
        # No poll can have ended.
        (0b00000000, 0, "ok"),
        (0b00000000, 15, "ok"),
    ],
)
def test_reach_counts_only_polls_that_chronyd_can_have_made(reach, uptime_s, severity):
    now = facts()
    change(now, "chrony.sources.0.poll", 3)
    change(now, "chrony.sources.0.reach", reach)
    change(now, "chrony.uptime_s", uptime_s)
    assert judge(now, None, None, NOW_S)["severity"] == severity


def test_the_message_about_reach_names_the_number_of_polls():
    now = facts()
    change(now, "chrony.sources.0.reach", 0b1000)
    change(now, "chrony.uptime_s", 6)
    assert headline(judge(now, None, None, NOW_S)).endswith("CIPU answered 1 of the last 5 polls.")
    change(now, "chrony.sources.0.reach", 0)
    change(now, "chrony.uptime_s", 1)
    health = judge(now, None, None, NOW_S)
    (reason,) = [one for one in health["not_checked"] if one["check"] == "reach"]
    assert reason["message"] == "CIPU was not polled yet since chronyd started."


def test_the_severity_leads_the_headline():
    now = facts()
    assert headline(judge(now, None, None, NOW_S)) == "OK"
    change(now, "chrony.sources.0.reach", 0b10000000)
    words = "WARNING (DEGRADED): CIPU answered 1 of the last 8 polls."
    assert headline(judge(now, None, None, NOW_S)) == words
    change(now, "clocks.0.cipu.sync.clock_abnormal", True)
    words = "CRITICAL (DEGRADED): /dev/ptp0 reports clock abnormal. CIPU answered 1"
    assert headline(judge(now, None, None, NOW_S)).startswith(words)
    assert headline(judge(None)) == "UNKNOWN: The host returned no facts."
    now.update(functions=[], clocks=[], chrony={"status": "absent"})
    assert headline(judge(now, None, None, NOW_S)) == "NOT_APPLICABLE"


def test_own_reads_are_left_out():
    now, previous = facts(), earlier()
    # All 1000 reads are our own, and the measurement counts those that failed.
    change(now, "clocks.0.cipu.own_reads", 1000)
    change(now, "clocks.0.cipu.counters.gettm_inval_err", 4)
    change(now, "clocks.0.measurement.failures", {"EIO": 4})
    assert judge(now, previous, None, NOW_S)["state"] == "OK"
    # One more failed read is of another program.
    change(now, "clocks.0.cipu.counters.gettm_inval_err", 5)
    assert judge(now, previous, None, NOW_S)["reasons"][0]["check"] == "read_errors"


def test_a_maintenance_that_ended_in_between_does_not_stand():
    now, previous = facts(), earlier(by_s=600)
    for record in (now, previous):
        change(record, "clocks.0.cipu.sync.maintenance", True)
    for name in ("maint", "maint_rec"):
        change(now, "clocks.0.cipu.counters." + name, 5)
    assert judge(now, previous, None, NOW_S)["severity"] == "warning"


@pytest.mark.parametrize(
    "given", [None, {}, [], "facts", {"schema": 2}, {"schema": 1}, {"schema": True}, 7]
)
def test_anything_but_facts_is_unknown(given):
    health = judge(given, None, None, NOW_S)
    assert (health["state"], health["severity"]) == ("UNKNOWN", "unknown")
    assert health["reasons"][0]["check"] == "facts"


@pytest.mark.parametrize("age_s, state", [(300, "OK"), (301, "UNKNOWN"), (-301, "UNKNOWN")])
def test_stale_facts_are_unknown(age_s, state):
    assert judge(facts(), None, None, NOW_S + age_s)["state"] == state


def test_a_host_without_a_clock_is_not_applicable():
    now = facts()
    now.update(functions=[], clocks=[], chrony={"status": "absent"}, time_daemons=[])
    health = judge(now, None, None, NOW_S)
    assert (health["state"], health["severity"]) == ("NOT_APPLICABLE", "not_applicable")


def test_a_host_whose_function_vanished_is_critical():
    now = facts()
    now.update(functions=[], clocks=[])
    assert ("function", "critical") in reported(judge(now, None, None, NOW_S))


def test_thresholds_are_used():
    now = facts()
    change(now, "clocks.0.measurement.offset_ns", 61201)
    assert judge(now, None, {"offset_warn_ns": 20000}, NOW_S)["state"] == "OK"
    assert judge(now, None, {"offset_critical_ns": 10000}, NOW_S)["severity"] == "critical"


def test_worst_reason_comes_first():
    now = facts()
    change(now, "clocks.0.cipu.sync.device_error", True)
    change(now, "chrony.tracking.skew_ppm", 5.0)
    change(now, "functions.0.driver", DROP)
    severities = [r["severity"] for r in judge(now, None, None, NOW_S)["reasons"]]
    assert severities == sorted(severities, key=SEVERITIES.index, reverse=True)
    assert set(STATES) >= {judge(now, None, None, NOW_S)["state"]}
