# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of the output of chronyc -c and chronyd -p."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._chrony import chronyc

# Output of chrony 4.3 in a guest on a busy machine. The two NTP servers are invented.
TRACKING = (
    "43495055,CIPU,1,1795371913.776082783,0.000017956,-0.000007231,0.000007231,0.002,-8.604,0.015,"
    "0.000010000,0.000155236,1.1,Normal"
)
SOURCES = (
    "#,*,CIPU,0,0,377,0,0.000063877,0.000056646,0.000068816\n"
    "^,-,192.0.2.1,2,6,173,30,0.000100000,0.000110000,0.012500000\n"
    "^,?,192.0.2.2,0,6,0,4294967295,0.000000000,0.000000000,0.000000000"
)
SELECTDATA = (
    "*,CIPU,N,-,P,-,-,-,-,P,-,-,-,0,1.0,-0.000026957,0.000135627,Normal\n"
    "D,192.0.2.1,N,-,-,-,-,-,-,-,-,-,-,30,1.0,-0.012400000,0.012600000,Normal\n"
    "M,192.0.2.2,N,-,-,-,-,-,-,-,-,-,-,0,1.0,0.000000000,0.000000000,Normal"
)


def test_one_report_has_all_three():
    tracking, sources = chronyc.parse_report("\n".join([TRACKING, SOURCES, SELECTDATA]))
    assert tracking["refid"] == "43495055"
    assert tracking["source"] == "CIPU"
    assert tracking["stratum"] == 1
    assert tracking["ref_time_s"] == 1795371913.776082783
    assert tracking["system_time_offset_s"] == 0.000017956
    assert tracking["root_dispersion_s"] == 0.000155236
    assert tracking["update_interval_s"] == 1.1
    assert tracking["leap"] == "Normal"
    assert [(s["mode"], s["state"], s["name"], s["reach"]) for s in sources] == [
        ("#", "*", "CIPU", 0o377),
        ("^", "-", "192.0.2.1", 0o173),
        ("^", "?", "192.0.2.2", 0),
    ]
    assert sources[0]["offset_s"] == 0.000063877
    assert sources[1]["error_s"] == 0.0125
    assert sources[2]["last_rx_s"] is None
    assert [s["selection"] for s in sources] == ["*", "D", "M"]
    assert chronyc.selected(sources) == "CIPU"


def test_a_refused_command_does_not_affect_the_others():
    text = "\n".join([TRACKING, SOURCES, "501 Not authorised"])
    tracking, sources = chronyc.parse_report(text)
    assert tracking is not None
    assert len(sources) == 3
    assert "selection" not in sources[0]


@pytest.mark.parametrize(
    "text",
    ["", "506 Cannot talk to daemon\n", "a,b,c\n", ",".join("x" * 14), "\x00,\n", "#" + "," * 9],
)
def test_other_output_has_no_tracking(text):
    assert chronyc.parse_report(text)[0] is None


def test_many_sources_are_bounded():
    many = "\n".join([SOURCES.splitlines()[1]] * 500)
    assert len(chronyc.parse_report(many)[1]) == chronyc.SOURCES_LIMIT


@pytest.mark.parametrize("place", [0, 7, 20])
@pytest.mark.parametrize("selected", ["#", "^"])
def test_the_selected_source_and_refclocks_are_kept_among_many(place, selected):
    servers = [f"^,-,192.0.2.{n},2,6,377,30,0.0001,0.0001,0.01" for n in range(20)]
    if selected == "^":
        servers[-1] = servers[-1].replace("^,-", "^,*")
    state = "*" if selected == "#" else "-"
    servers.insert(place, f"#,{state},CIPU,0,0,377,0,0.000063877,0.000056646,0.000068816")
    _tracking, sources = chronyc.parse_report("\n".join([TRACKING, *servers]))
    assert len(sources) == chronyc.SOURCES_LIMIT
    assert chronyc.selected(sources) == ("CIPU" if selected == "#" else "192.0.2.19")
    assert "CIPU" in [source["name"] for source in sources]


def test_error_bound():
    tracking = chronyc.parse_tracking(TRACKING.split(","))
    assert chronyc.error_bound_s(tracking) == pytest.approx(17.956e-6 + 155.236e-6 + 5e-6)
    for key, value in (("leap", "Not synchronised"), ("stratum", 0), ("root_delay_s", None)):
        assert chronyc.error_bound_s(dict(tracking, **{key: value})) is None


def test_refclocks_of_a_configuration():
    text = """
confdir /etc/chrony/conf.d
refclock PHC /dev/ptp_cipu refid CIPU poll 0 dpoll -1 delay 0.000010 prefer
! refclock PHC /dev/ptp9
refclock phc /dev/ptp1:nocrossts trust # why
refclock SHM 0
refclock PHC
server 192.0.2.1 iburst
"""
    assert chronyc.parse_refclocks(text) == [
        {"driver": "PHC", "device": "/dev/ptp_cipu", "refid": "CIPU", "prefer": True},
        {"driver": "PHC", "device": "/dev/ptp1", "device_options": "nocrossts", "trust": True},
        {"driver": "SHM", "device": "0"},
    ]


@pytest.mark.parametrize(
    "text, version",
    [
        ("chronyd (chrony) version 4.3 (+CMDMON +NTP)", "4.3"),
        ("chronyd (chrony) version 4.8-pre1 (+CMDMON)", "4.8"),
        ("what", None),
    ],
)
def test_version(text, version):
    assert chronyc.parse_version(text) == version
