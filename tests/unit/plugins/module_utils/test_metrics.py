# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts and health as Prometheus metrics, and the conversion of clockprobe's."""

import json
import math

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge
from ansible_collections.cipu.clock.plugins.module_utils._host import clockprobe
from ansible_collections.cipu.clock.plugins.module_utils._metrics import main
from ansible_collections.cipu.clock.plugins.module_utils._metrics.exposition import (
    FAMILIES,
    PREFIX,
    exposition,
    textfile,
)

from .. import made

NAMES = [check.name for check in CHECKS]
FACTS = {
    "driver": {"loaded_version": "0.2.0", "installed_version": "0.2.0"},
    "functions": [{"pci_address": "0000:00:10.0", "driver": "ptp_cipu"}, {"driver": None}],
    "chrony": {
        "status": "ok",
        "tracking": {"stratum": 1, "leap": "Normal", "skew_ppm": 0.5, "ref_time_s": 1764000000.25},
        "sources": [
            {"mode": "#", "state": "*", "name": "CIPU", "reach": 0b11110111},
            {"mode": "^", "state": "-", "name": "ntp.example.org", "reach": 255},
        ],
    },
}
HEALTH = {
    "state": "DEGRADED",
    "severity": "critical",
    "error_bound_ns": 8100,
    "reasons": [
        {"check": "steal", "severity": "warning", "value": 3.5},
        {"check": "sync_stat", "severity": "critical", "value": None},
        {"check": "steal", "severity": "ok", "value": 1},
    ],
    "not_checked": [{"check": "vmclock", "message": "no page"}],
}


def samples(text):
    """{name{labels}: value} of a page."""
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    assert len({key for key, _value in pairs}) == len(pairs), "a series stands twice"
    return {key: float(value) for key, value in pairs}


def test_each_check_has_its_severity_and_an_unseen_one_has_none():
    found = samples(exposition(FACTS, HEALTH, NAMES, 1764000100.5))
    assert found['cipu_clock_check_severity{check="steal"}'] == 1
    assert found['cipu_clock_check_severity{check="sync_stat"}'] == 3
    assert found['cipu_clock_check_severity{check="reach"}'] == 0
    assert 'cipu_clock_check_severity{check="vmclock"}' not in found
    assert found["cipu_clock_severity"] == 3
    assert found['cipu_clock_state{state="DEGRADED"}'] == 1
    assert sum(value for key, value in found.items() if key.startswith("cipu_clock_state{")) == 1
    assert found["cipu_clock_error_bound_seconds"] == pytest.approx(8.1e-6)


def test_chrony_is_in_base_units_with_full_precision():
    found = samples(exposition(FACTS, HEALTH, NAMES, 1764000100.5))
    assert found['cipu_chrony_selected{kind="cipu"}'] == 1
    assert found['cipu_chrony_selected{kind="ntp"}'] == 0
    assert found["cipu_chrony_reach_ratio"] == 7 / 8
    assert found["cipu_chrony_skew_ratio"] == pytest.approx(5e-7)
    assert found["cipu_chrony_last_update_timestamp_seconds"] == 1764000000.25


def test_polls_not_made_yet_do_not_lower_the_reach():
    source = dict(FACTS["chrony"]["sources"][0], reach=0b101, poll=4)
    chrony = dict(FACTS["chrony"], sources=[source], uptime_s=70.0)
    found = samples(exposition(dict(FACTS, chrony=chrony), HEALTH, NAMES, 1764000100.5))
    assert found["cipu_chrony_reach_ratio"] == pytest.approx(2 / 3)
    chrony["uptime_s"] = 3.0
    source["reach"] = 0
    assert "cipu_chrony_reach_ratio" not in exposition(
        dict(FACTS, chrony=chrony), HEALTH, NAMES, 1764000100.5
    )


def test_a_host_without_the_clock_has_no_checks():
    health = {"state": "NOT_APPLICABLE", "severity": "ok", "reasons": [], "not_checked": []}
    found = samples(exposition({}, health, NAMES, 1))
    assert not [key for key in found if key.startswith("cipu_clock_check")]
    assert found["cipu_chrony_up"] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "3", None, [1]])
def test_anything_but_a_number_has_no_sample(value):
    health = dict(HEALTH, error_bound_ns=value, reasons=[])
    assert "cipu_clock_error_bound_seconds" not in exposition(FACTS, health, NAMES, 1)


def test_texts_of_a_host_add_no_series():
    hostile = 'x"} 1\nevil_total{a="b\\' + "y" * 500
    facts = dict(FACTS, driver={"loaded_version": hostile, "installed_version": ["0.2.0"]})
    health = dict(HEALTH, reasons=[{"check": hostile, "severity": "critical", "value": 1}])
    text = exposition(facts, health, NAMES, 1)
    assert not [line for line in text.splitlines() if line.startswith("evil")]
    assert max(len(line) for line in text.splitlines()) < 300
    assert {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"} <= {
        PREFIX + name for name in FAMILIES
    }


def test_openmetrics_becomes_the_text_format():
    text = textfile(
        "# TYPE a_events counter\n# UNIT a_events none\n# HELP a_events Events.\na_events_total 3\n"
        '# TYPE a_build info\n# HELP a_build Version.\na_build_info{version="1"} 1\n# EOF\n'
    )
    assert text.splitlines() == [
        "# TYPE a_events_total counter",
        "# HELP a_events_total Events.",
        "a_events_total 3",
        "# TYPE a_build_info gauge",
        "# HELP a_build_info Version.",
        'a_build_info{version="1"} 1',
    ]


def test_without_clockprobe_the_former_file_stays(tmp_path, capsys):
    output = tmp_path / "probe.prom"
    output.write_text("former 1\n")
    missing = str(tmp_path / "clockprobe")
    assert main.main(["probe", "--output", str(output), "--probe-path", missing]) == 1
    assert "run the role probe" in capsys.readouterr().err
    assert output.read_text() == "former 1\n"


def test_the_probe_reports_to_the_health_service(tmp_path):
    """A real program, run once for each format; health takes the JSON and runs none."""
    program, report = tmp_path / "clockprobe", tmp_path / "report.json"
    (tmp_path / "json").write_text(json.dumps(made.report()))
    program.write_text(
        "#!/bin/sh\ntest $1 = --json && cat {0}/json || echo up 1\n".format(tmp_path)
    )
    program.chmod(0o755)
    arguments = ["--probe-path", str(program), "--report", str(report)]
    assert main.main(["probe", "--output", str(tmp_path / "probe.prom")] + arguments) == 0
    assert (tmp_path / "probe.prom").read_text() == "up 1\n"
    program.write_text("#!/bin/sh\nexit 9\n")
    state = tmp_path / "facts.json"
    health = ["health", "--output", str(tmp_path / "health.prom"), "--state", str(state)]
    assert main.main(health + arguments) == 0
    (facts,) = json.loads(state.read_text())
    assert facts["probe"]["status"] == "ok"
    assert [clock["node"] for clock in facts["clocks"]] == ["/dev/ptp0", "/dev/ptp1"]


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        ({}, "is missing or malformed"),
        ([], "is missing or malformed"),
        ({"taken_at_s": "now"}, "is missing or malformed"),
        ({"taken_at_s": 800, "rc": 0, "out": "{}"}, "is 200 s old"),
        ({"taken_at_s": 1200, "rc": 0, "out": "{}"}, "is -200 s old"),
        ({"taken_at_s": 990, "rc": -9, "out": "", "problem": "timeout"}, "timeout"),
        ({"taken_at_s": 990, "rc": 1, "out": None, "err": ["x"], "problem": None}, "exit status 1"),
    ],
    ids=["empty", "list", "text", "old", "ahead", "timeout", "failed"],
)
def test_a_report_that_cannot_be_used_has_a_reason(tmp_path, report, problem):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    parsed, reason = clockprobe.parse(main.reported(str(path), 1000))
    assert parsed is None
    assert problem in reason


def taken(*times_s):
    return [{"taken_at_s": time_s} for time_s in times_s]


@pytest.mark.parametrize(
    ("kept", "left"),
    [
        (taken(), taken()),
        (taken(940), taken(940)),
        (taken(880, 940), taken(880, 940)),
        (taken(820, 880, 940), taken(880, 940)),
        (taken(940, 1000, 1060), taken(940)),
        ([None, [880], {"taken_at_s": "880"}, {}, *taken(940)], taken(940)),
        (taken(*range(1, 1000)), taken(*range(939, 1000))),
        (taken(*range(941, 1000)) * 2, taken(*range(959, 1000), *range(941, 1000))),
    ],
    ids=["none", "young", "one", "aged", "ahead", "malformed", "seconds", "limit"],
)
def test_a_run_compares_with_facts_that_are_older_than_a_standing_condition(kept, left):
    assert main.comparable(kept, {"taken_at_s": 1000}, 60) == left


def test_a_condition_that_stands_stays_critical_from_run_to_run():
    """With the facts of the last run as the previous ones it was critical in every other run."""
    facts, kept, seen = made.facts(), [], []
    made.change(facts, "clocks.0.cipu.sync.maintenance", True)
    for run, elapsed_s in enumerate((0, 58, 121, 177, 242)):
        now_s = made.NOW_S + elapsed_s
        facts = dict(facts, taken_at_s=now_s)
        kept = main.comparable(kept, facts, 60)
        verdict = judge(facts, kept[0] if kept else None, {}, now_s)
        seen += [one["severity"] for one in verdict["reasons"] if one["check"] == "sync_stat"]
        assert len(seen) == run + 1
        kept.append(facts)
    assert seen == ["warning", "warning", "critical", "critical", "critical"]


def test_health_is_written_atomically_and_its_facts_are_stored(tmp_path):
    output, state = tmp_path / "health.prom", tmp_path / "facts.json"
    arguments = ["health", "--output", str(output), "--state", str(state)]
    assert main.main(arguments) == 0
    assert main.main(arguments) == 0
    assert samples(output.read_text())["cipu_clock_health_timestamp_seconds"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.json", "health.prom"]
