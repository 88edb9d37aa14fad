# SPDX-License-Identifier: GPL-3.0-or-later
"""Accesses of the driver on the bus, and its interface to users."""

import re

import pytest
from guestkernel.box import Box

REGISTERS_READ_BACK = ("gst_feat", "drv_ver", "env_ver", "dev_stat")
CONDITIONS = {
    "maintenance": ("dev_maint", 0x01),
    "clock_abnormal": ("dev_clk_abn", 0x02),
    "busy": ("dev_busy", 0x10),
    "device_error": ("dev_err", 0x80),
}


def test_a_good_gettime_is_exactly_one_read_of_the_bus(box: Box) -> None:
    control = box.controls["cipu0"]
    box.wait(lambda: box.read()["ok"] == 1, 10, "a first read")
    control.counts(reset=True)
    before = box.attribute("ptp_gettm")
    assert box.read(samples=25, calls=8)["ok"] == 8
    counts = control.counts()
    assert box.attribute("ptp_gettm") - before == 200
    assert counts["reads"]["tstamp_ns"] == counts["timestamps"]["valid"] == 200
    # The periodic check may have run once in between: dev_stat, sync_stat, thresh_us.
    assert sum(counts["reads"].values()) - 200 in (0, 3)


def test_the_bring_up_follows_the_documented_order(box: Box) -> None:
    control = box.controls["cipu0"]
    control.request("log", clear=True)
    assert box.rebind() == 0
    writes = [(name, value) for _, kind, name, _, value in control.log() if kind == "w"]
    names = [name for name, _ in writes]
    # Removal and arrival each write RESET.
    assert names[-6:] == ["dev_stat", "gst_feat", "env_ver", "drv_ver", "dev_stat", "dev_stat"]
    assert [value for name, value in writes if name == "dev_stat"][-4:] == [0, 0, 1, 2]
    assert control.counts()["refused_writes"] == {}


def test_the_versions_are_reported(box: Box) -> None:
    attributes = box.attributes()
    assert attributes["reg_drv_ver"] == 0x00010300
    release = re.match(r"(\d+)\.(\d+)\.(\d+)", box.sh("uname -r"))
    assert release is not None
    major, minor, patch = (int(word) for word in release.groups())
    version = attributes["reg_env_ver"]
    assert version >> 27 == 0x1F
    assert (version >> 16) & 0xFF == major
    assert (version >> 8) & 0xFF == minor
    assert version & 0xFF == min(patch, 255)


def test_a_refused_version_is_logged_and_can_be_overridden(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("refuse_version", version=0x00010300)
    before = box.mark()
    assert box.rebind() != 0
    box.wait_log(r"device refuses driver version 0x00010300: .* drv_ver", 5, before)
    box.unload()
    box.load("drv_ver=0x01000100")
    try:
        assert box.bound()
        assert box.attribute("reg_drv_ver") == 0x01000100
    finally:
        box.unload()
        control.clear()
        box.load()


@pytest.mark.parametrize("register", REGISTERS_READ_BACK)
def test_what_does_not_read_back_is_refused(box: Box, register: str) -> None:
    control = box.controls["cipu0"]
    box.unbind()
    control.fault("bad_readback", register=register)
    assert box.bind() != 0
    assert not box.bound()
    control.clear()
    assert box.bind() == 0


def test_a_reset_that_takes_its_time_is_waited_for(box: Box) -> None:
    box.controls["cipu0"].fault("slow_reset", settle_us=30_000)
    assert box.rebind() == 0
    assert box.attribute("reg_dev_stat") == 2


@pytest.mark.parametrize("condition", list(CONDITIONS))
def test_each_condition_is_counted_when_it_comes_and_goes(box: Box, condition: str) -> None:
    control = box.controls["cipu0"]
    attribute, bit = CONDITIONS[condition]
    control.fault(condition)
    box.wait(lambda: box.attribute(attribute) == 1, 5, "set")
    assert box.attribute("reg_sync_stat") == bit
    control.fault(condition, on=False)
    box.wait(lambda: box.attribute(f"{attribute}_rec") == 1, 5, "cleared")
    others = [name for name, _ in CONDITIONS.values() if name != attribute]
    assert not any(box.attribute(name) for name in others)


def test_the_threshold_follows_the_device(box: Box) -> None:
    control = box.controls["cipu0"]
    control.request("clock", offset_ns=3600 * 10**9)
    before = box.attribute("ptp_gettm_excd_thresh")
    assert box.read(samples=5)["ok"] == 1
    assert box.attribute("ptp_gettm_excd_thresh") - before == 5
    control.set("thresh_us", 0xFFFFFFFF)
    box.wait(lambda: box.attribute("reg_thresh_us") == 0xFFFFFFFF, 5, "the interrupt")
    before = box.attribute("ptp_gettm_excd_thresh")
    assert box.read(samples=5)["ok"] == 1
    assert box.attribute("ptp_gettm_excd_thresh") == before


def test_the_clock_is_read_only(box: Box) -> None:
    answer = box.json(f"phc control {box.clock()}")
    refused = ("settime", "adjtime", "adjfine", "pps", "precise")
    assert {answer[name] for name in refused} == {"EOPNOTSUPP"}
    assert answer["extts"] in ("EINVAL", "EOPNOTSUPP")
    assert box.sh(f"cat {box.device()}/ptp/*/clock_name") == "ptp_cipu"
    assert box.sh(f"cat {box.device()}/ptp/*/max_adjustment") == "0"


def test_an_invalid_timestamp_has_the_device_asked_why(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("clock_abnormal", silent=True, invalid=True)
    assert box.read()["errors"] == {"EIO": 1}
    box.wait(lambda: box.attribute("dev_clk_abn") == 1, 5, "sync_stat was read again")


def test_silent_power_loss_is_noticed_by_the_next_read(box: Box) -> None:
    control = box.controls["cipu0"]
    assert box.read()["ok"] == 1
    control.fault("reset")
    assert box.read()["ok"] == 0
    box.wait(lambda: box.read()["ok"] == 1, 20, "negotiated again")
    assert box.attribute("dev_renegotiated") >= 1
    assert abs(box.read()["offset_ns"]) < 5_000_000_000


def test_a_lost_epoch_is_noticed_by_the_jump(box: Box) -> None:
    control = box.controls["cipu0"]
    assert box.read()["ok"] == 1
    # As after lost power, with timestamps that look valid, counted from 1970.
    control.fault("reset")
    control.request("set", register="tstamp_ns", value=1_700_000_000 * 10**9)
    assert box.read()["errors"] == {"EAGAIN": 1}
    control.request("set", register="tstamp_ns", value=None)
    box.wait(lambda: box.read()["ok"] == 1, 20, "negotiated again")


@pytest.mark.parametrize(
    "before",
    [
        "true",
        # In both cases the PCI core consumes the state that the driver saved.
        "echo flr > {device}/reset_method && echo 1 > {device}/reset",
        "(cd /sys/power && echo devices > pm_test && echo mem > state; echo none > pm_test)",
    ],
    ids=["at once", "after a reset", "after a sleep"],
)
def test_power_loss_with_the_configuration_is_repaired(box: Box, before: str) -> None:
    control = box.controls["cipu0"]
    if "pm_test" in before and box.run("test -e /sys/power/pm_test")[0]:
        pytest.skip("this kernel cannot test suspend")
    box.sh(before.format(device=box.device()), 300)
    box.wait(lambda: box.read()["ok"] == 1, 30, "healthy")
    control.fault("reset", config=True)
    box.wait(lambda: box.read()["ok"] == 1, 40, "configured and negotiated again")
    control.fault("busy")
    box.wait(lambda: box.attribute("dev_busy") == 1, 15, "events are seen again")


def test_one_lost_reply_is_no_reset(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("error_replies", register="dev_stat", count=1)
    control.fault("invalid_timestamps", count=3)
    assert box.read()["errors"] == {"EIO": 1}
    box.wait(lambda: "error_replies" not in control.status()["faults"], 30, "sync_stat is read")
    box.wait(lambda: box.read()["ok"] == 1, 30, "healthy")
    assert box.attribute("dev_renegotiated") == 0


def test_timestamps_of_all_ones_from_a_responding_device_are_just_bad(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("error_replies", register="tstamp_ns", count=3)
    assert box.read()["errors"] == {"EIO": 1}
    assert box.read()["ok"] == 1
    assert box.attribute("dev_renegotiated") == 0


def test_a_function_that_is_gone_is_looked_for_steadily(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("all_ones", config=True)
    assert box.read()["errors"] == {"ENODEV": 1}
    before = control.counts()["config"]["reads"]
    # With growing waits of up to a minute the eighth attempt would come after two minutes.
    box.wait(lambda: control.counts()["config"]["reads"] >= before + 8, 60, "eight looks")
    control.fault("all_ones", on=False)
    box.wait(lambda: box.read()["ok"] == 1, 30, "the clock is back")


def test_a_run_of_failures_does_not_hammer_the_bus(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("invalid_timestamps")
    errors = box.read(calls=200)["errors"]
    assert errors.get("EBUSY", 0) > 150
    assert control.counts()["reads"]["tstamp_ns"] < 60
    control.clear()
    box.wait(lambda: box.read()["ok"] == 1, 5, "the window ends")


def test_a_lost_reply_delays_one_reader_not_the_queue(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("lost_replies", register="tstamp_ns", count=1)
    answer = box.json(box.load_command(seconds=8), 120)
    assert answer["ok"] > 0
    assert control.counts()["timestamps"]["lost"] == 1


def test_the_counters_add_up(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("invalid_timestamps", count=40)
    box.read(calls=60)
    attributes, counts = box.attributes(), control.counts()
    read = attributes["ptp_gettm"] + attributes["ptp_gettm_retry"]
    read -= attributes["ptp_gettm_blocked"] + attributes["ptp_gettm_offline"]
    assert read == counts["reads"]["tstamp_ns"]
    bad = attributes["ptp_gettm_inval_err"] + attributes["ptp_gettm_retry"]
    assert bad == counts["timestamps"]["invalid"]
