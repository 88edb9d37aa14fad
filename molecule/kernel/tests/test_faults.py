# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the posted driver, one test each. Those of newer kernels are in test_newest.py."""

import re
from typing import Any

import pytest
from guestkernel.box import Box
from guestkernel.modules import driver_sources

METHODS = ("extended", "basic", "gettime")
DEV_COUNTERS = ("clk_abn", "maint", "busy", "err")


def events(box: Box) -> dict[str, int]:
    return {key: value for key, value in box.attributes().items() if key.startswith("dev_")}


def test_fault_02_a_read_without_system_times_is_checked_like_any_other(box: Box) -> None:
    control = box.controls["cipu0"]
    for method in METHODS:
        assert box.read(method=method, calls=20)["errors"] == {}, method
    control.set("max_lat_ns", 20_000_000)
    assert box.rebind() == 0
    control.fault("slow_reads", delay_us=40_000)
    for method in METHODS:
        answer = box.read(method=method, calls=2)
        # The second may find the block window open.
        assert answer["ok"] == 0 and "EIO" in answer["errors"], (method, answer)
        assert box.rebind() == 0


def test_fault_04_a_step_of_the_system_clock_is_no_latency(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("slow_reads", delay_us=20_000)
    clock = box.clock()
    steps = "for i in 1 2 3 4 5 6 7 8 9; do phc step 3600000000000; phc step -3600000000000; done"
    answer = box.sh(f"phc read {clock} gettime 0 1 60 > /tmp/out & {steps}; wait; cat /tmp/out")
    assert '"ok":60,"errors":{}' in answer
    assert box.attribute("ptp_gettm_tout_err") == 0


def test_fault_04_a_slow_read_stays_slow_when_the_system_clock_is_set_back(box: Box) -> None:
    control = box.controls["cipu0"]
    control.set("max_lat_ns", 20_000_000)
    assert box.rebind() == 0
    control.fault("slow_reads", delay_us=45_000)
    steps = "for i in 1 2 3 4 5 6 7 8 9; do phc step -1000000; done"
    answer = box.sh(
        f"phc read {box.clock()} gettime 0 1 5 > /tmp/out & {steps}; wait; cat /tmp/out"
    )
    assert '"ok":0' in answer


@pytest.mark.parametrize("fault", ["invalid_timestamps", "slow_reads", "error_replies"])
def test_fault_05_one_bad_read_does_not_fail_an_ioctl_of_25(box: Box, fault: str) -> None:
    control = box.controls["cipu0"]
    parameters: dict[str, Any] = {"skip": 10, "count": 1}
    if fault == "slow_reads":
        control.set("max_lat_ns", 30_000_000)
        assert box.rebind() == 0
        parameters |= {"delay_us": 45_000}
    if fault != "invalid_timestamps":
        parameters |= {"register": "tstamp_ns"}
    control.fault(fault, **parameters)
    assert box.read(samples=25)["errors"] == {}
    assert box.attribute("ptp_gettm_retry") >= 1
    assert box.attribute("ptp_gettm") == 25


def test_fault_05_the_number_of_tries_has_a_bound(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("invalid_timestamps")
    assert box.read()["errors"] == {"EIO": 1}
    assert control.counts()["timestamps"]["invalid"] == 3
    assert box.attribute("ptp_gettm_inval_err") == 1


def test_fault_06_interrupts_get_through_a_strict_host(box: Box) -> None:
    control = box.controls["cipu0"]
    assert control.status()["bus_master"] is True
    control.fault("busy")
    box.wait(lambda: box.attribute("dev_busy") == 1, 5, "the interrupt is seen")
    counts = control.counts()
    assert counts["interrupts"]["1"] == 1
    assert "no_bus_master" not in counts["suppressed"]


def test_fault_08_the_byte_at_0x11_is_read_as_a_byte(box: Box) -> None:
    control = box.controls["cipu0"]
    assert box.rebind() == 0
    counts = control.counts()
    assert counts["reads"]["sync_stat"] >= 1
    assert counts["unaligned"] == counts["wrong_width"] == counts["unknown"] == 0


def test_fault_09_a_failing_device_is_noticed_at_probe(box: Box) -> None:
    control = box.controls["cipu0"]
    box.unbind()
    control.fault("clock_abnormal", silent=True)
    assert box.bind() == 0
    assert box.attribute("dev_clk_abn") == 1
    assert box.attribute("reg_sync_stat") == 2
    assert control.counts()["interrupts"]["1"] == 0


@pytest.mark.parametrize("config", [True, False])
def test_fault_10_all_ones_is_gone_and_no_event(box: Box, config: bool) -> None:
    control = box.controls["cipu0"]
    control.fault("all_ones", config=config)
    errors = box.read(calls=3)["errors"]
    assert set(errors) <= ({"ENODEV"} if config else {"EIO", "EAGAIN", "ENODEV"}), errors
    seen = events(box)
    assert not any(seen[f"dev_{name}"] for name in DEV_COUNTERS)
    control.fault("all_ones", on=False)
    box.wait(lambda: box.read()["ok"] == 1, 30, "the clock is back")
    assert not any(events(box)[f"dev_{name}"] for name in DEV_COUNTERS)


def test_fault_12_the_registers_are_claimed(box: Box) -> None:
    assert "ptp_cipu" in box.sh("cat /proc/iomem")


@pytest.mark.parametrize("name", ["short", "iobar"])
def test_fault_12_a_bar_of_another_kind_is_refused(box: Box, name: str) -> None:
    before = box.mark()
    assert box.bind(name) != 0
    assert not box.bound(name)
    box.wait_log(r"BAR 0 is not memory of at least", 5, before)


def test_fault_13_polls_where_the_vectors_are_missing(box: Box) -> None:
    control = box.controls["onevec"]
    control.clear()
    assert box.bound("onevec")
    assert box.read("onevec")["ok"] == 1
    control.fault("maintenance")
    box.wait(lambda: box.attribute("dev_maint", "onevec") == 1, 10, "polled: set")
    control.fault("maintenance", on=False)
    box.wait(lambda: box.attribute("dev_maint_rec", "onevec") == 1, 10, "polled: cleared")


@pytest.mark.parametrize("offered", [0x03, 0x07])
def test_fault_13_polls_what_no_interrupt_was_negotiated_for(box: Box, offered: int) -> None:
    control = box.controls["cipu0"]
    control.set("dev_feat", offered)
    assert box.rebind() == 0
    assert box.attribute("reg_gst_feat") == offered & 0x0E
    control.fault("device_error")
    box.wait(lambda: box.attribute("dev_err") == 1, 10, "set")
    control.fault("device_error", on=False)
    box.wait(lambda: box.attribute("dev_err_rec") == 1, 10, "cleared")


@pytest.mark.parametrize("year", [0, 1969, 2201, 0xFFFFFFFF])
def test_fault_14_an_epoch_that_is_no_year_is_refused(box: Box, year: int) -> None:
    before = box.mark()
    box.controls["cipu0"].set("epo_base_yr", year)
    assert box.rebind() != 0
    box.wait_log(rf"epoch year {year} is out of range", 5, before)


def test_fault_14_a_timestamp_past_the_end_of_time_is_refused(box: Box) -> None:
    control = box.controls["cipu0"]
    control.set("epo_base_yr", 2200)
    assert box.rebind() == 0
    control.request("set", register="tstamp_ns", value=(1 << 62) - 1)
    assert box.read()["errors"] == {"EIO": 1}


def test_fault_14_no_limit_is_not_a_limit_of_nothing(box: Box) -> None:
    control = box.controls["cipu0"]
    control.set("max_lat_ns", 0)
    control.set("thresh_us", 0)
    before = box.mark()
    assert box.rebind() == 0
    box.wait_log(r"max_lat_ns of 0 is out of range", 5, before)
    box.wait(lambda: box.read()["ok"] == 1, 30, "a read quick enough for the default")
    assert box.attribute("ptp_gettm_excd_thresh") == 0


@pytest.mark.parametrize("year", [1970, 2020])
def test_fault_14_the_epoch_is_used(box: Box, year: int) -> None:
    box.controls["cipu0"].set("epo_base_yr", year)
    assert box.rebind() == 0
    # The guest's clock came from the host's RTC, in whole seconds.
    assert abs(box.read()["offset_ns"]) < 5_000_000_000


def test_fault_15_numbers_do_not_wrap(box: Box) -> None:
    box.controls["cipu0"].set("thresh_us", 0xFFFFFFFF)
    box.controls["cipu0"].set("leap_sec", 0x80000000)
    assert box.rebind() == 0
    folder = f"{box.device()}/cipu"
    assert box.sh(f"cat {folder}/reg_thresh_us") == "0xffffffff"
    assert box.sh(f"cat {folder}/reg_leap_sec") == "0x80000000"
    header = next(path for path in driver_sources() if path.name == "cipu.h").read_text()
    body = re.search(r"struct cipu_counters \{(.*?)\}", header, re.DOTALL)
    assert body is not None
    assert {line.split()[0] for line in body[1].splitlines() if line.strip()} == {"u64"}


def test_fault_16_a_read_storm_is_no_work_storm(box: Box) -> None:
    control = box.controls["cipu0"]
    control.fault("invalid_timestamps")
    seconds = 3
    answer = box.json(box.load_command(seconds=seconds), 120)
    counts = control.counts()
    calls = sum(answer["errors"].values())
    assert calls > 200, "not much of a storm"
    # At most ten times a second for any number of readers; a stopped clock allows slightly more.
    assert counts["reads"]["sync_stat"] <= 10 * (seconds + 2)
    assert counts["reads"]["tstamp_ns"] <= 3 * 8 + 10 * (seconds + 2)


def test_fault_17_an_overdue_maintenance_is_reported_again(box: Box) -> None:
    control = box.controls["cipu0"]
    control.set("mt_tout_us", 500_000)
    assert box.rebind() == 0
    before = box.mark()
    control.fault("maintenance")
    message = r"maintenance has lasted \d+ ms instead of at most \d+ ms"
    box.wait_log(rf"(?s)({message}.*){{3}}", 30, before)
    # Level 4 is a warning.
    assert re.search(rf"^<4>.*{message}", box.sh("dmesg -r"), re.MULTILINE)
    assert box.attribute("dev_maint_tout") == 1
    control.fault("maintenance", on=False)
    box.wait(lambda: box.attribute("dev_maint_rec") == 1, 10, "it ends")


def test_fault_18_every_interrupt_has_a_name_of_its_own(box: Box) -> None:
    lines = [line for line in box.sh("cat /proc/interrupts").splitlines() if "ptp_cipu" in line]
    names = [line.split()[-1] for line in lines]
    assert len(names) == len(set(names)) == 4
    for name in ("cipu0", "ref0"):
        assert f"ptp_cipu-thresh@{box.address(name)}" in names
        assert f"ptp_cipu-sync@{box.address(name)}" in names


def test_the_tests_recognise_a_splat(box: Box) -> None:
    box.sh("echo 'BUG: made up by a test' > /dev/kmsg")
    box.wait_log("made up by a test", 5)
    assert box.splats() == ["BUG: made up by a test"]
