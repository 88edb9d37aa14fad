# SPDX-License-Identifier: GPL-3.0-or-later
"""On the newest packaged kernel: its PTP core, and what a read costs without debugging."""

import re

import pytest
from guestkernel import boxes, readcost
from guestkernel.box import APPEND, BOOT_SECONDS, Box
from guestkernel.modules import driver_sources

CLOCKIDS = {"realtime": 0, "monotonic": 1, "monotonic-raw": 4}


@pytest.fixture
def box(newest: Box) -> Box:
    boxes.heal(newest)
    return newest


def test_fault_01_builds_and_runs_where_timestamps_are_snapshots(box: Box) -> None:
    assert int(box.sh("uname -r").split(".")[0]) >= 7
    assert box.read()["ok"] == 1
    code = "\n".join(path.read_text() for path in driver_sources())
    assert not re.search(r"\b(pre_ts|post_ts|pre_sts|post_sts)\b", code)


@pytest.mark.parametrize("method", ["extended", "basic", "gettime"])
def test_fault_02_no_read_depends_on_an_unset_clockid(box: Box, method: str) -> None:
    assert box.read(method=method, calls=50)["errors"] == {}
    control = box.controls["cipu0"]
    control.set("max_lat_ns", 20_000_000)
    assert box.rebind() == 0
    control.fault("slow_reads", delay_us=40_000)
    answer = box.read(method=method, calls=2)
    # The second may find the block window open.
    assert answer["ok"] == 0
    assert "EIO" in answer["errors"]


@pytest.mark.parametrize("name", list(CLOCKIDS))
def test_fault_03_the_callers_clock_is_not_the_thresholds(box: Box, name: str) -> None:
    # The guest's time of day is within seconds of the device's, its uptime is decades off.
    box.controls["cipu0"].set("thresh_us", 100_000_000)
    box.wait(lambda: box.attribute("reg_thresh_us") == 100_000_000, 5, "the threshold is known")
    answer = box.read(clockid=CLOCKIDS[name], samples=5, calls=4)
    assert answer["ok"] == 4
    assert box.attribute("ptp_gettm_excd_thresh") == 0
    box.controls["cipu0"].clock(offset_ns=200 * 10**9)
    assert box.read(clockid=CLOCKIDS[name], samples=5, calls=4)["ok"] == 4
    assert box.attribute("ptp_gettm_excd_thresh") == 20


def test_fault_07_no_workqueue_that_the_kernel_warns_of(box: Box) -> None:
    before = box.mark()
    box.unload()
    box.load()
    assert box.read()["ok"] == 1
    assert not re.search("WARNING|BUG|workqueue", box.log(before))
    assert not box.splats()


def test_fault_12_user_space_cannot_map_the_registers(box: Box) -> None:
    # Only a kernel with CONFIG_STRICT_DEVMEM, as Debian's, enforces it for user space.
    assert box.sh(f"phc map {box.device()}/resource0") == "EINVAL"
    box.unbind()
    assert box.sh(f"phc map {box.device()}/resource0") == "0"


def test_a_read_costs_what_a_bare_one_costs(box: Box) -> None:
    cost = readcost.measure(box)
    print(cost)
    assert cost.driver <= readcost.LIMIT


def test_failing_in_the_block_window_is_cheap(box: Box) -> None:
    control = box.controls["cipu0"]
    control.set("max_lat_ns", 2_000_000)
    assert box.rebind() == 0
    control.fault("slow_reads", delay_us=4_000)
    clock = box.clock()
    slow = box.json(f"phc time {clock} EIO 8")["median_ns"]
    blocked = box.json(f"phc time {clock} EBUSY 500")["median_ns"]
    print(f"timed-out call {slow} ns, blocked {blocked} ns: {slow / blocked:.0f} times cheaper")
    assert slow >= 100 * blocked


def test_the_newest_kernel_sees_resets_and_replugging(box: Box) -> None:
    clock = box.clock()
    box.sh(f"echo 1 > {box.device()}/reset")
    assert box.clock() == clock
    assert box.read()["ok"] == 1
    box.machine.unplug("cipu0")
    box.machine.plug("cipu0")
    box.wait(box.bound, 60, "bound again")
    assert box.read()["ok"] == 1
    assert not box.splats()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("-c", r"0 maximum frequency adjustment"),
        ("-g", r"clock time: \d+\.\d+ or "),
        ("-k 5", r"system time: .*\nphc +time: "),
        ("-x 5 -y realtime", r"sample #"),
        ("-x 5 -y monotonic", r"sample #"),
        ("-x 5 -y monotonic-raw", r"sample #"),
    ],
)
def test_testptp_finds_a_conforming_clock(box: Box, options: str, wanted: str) -> None:
    output = box.sh(f"testptp -d {box.clock()} {options}")
    print(output)
    assert re.search(wanted, output, re.MULTILINE)
    assert "not supported" not in output


def test_testptp_finds_no_hardware_cross_timestamp(box: Box) -> None:
    output = box.run(f"testptp -d {box.clock()} -X")[1]
    assert re.search(r"(?i)operation not supported|EOPNOTSUPP", output)


@pytest.mark.parametrize("options", ["-s", "-t 1", "-f 0"])
def test_testptp_cannot_move_the_clock(box: Box, options: str) -> None:
    output = box.run(f"testptp -d {box.clock()} {options}")[1]
    assert re.search(r"(?i)operation not supported", output)


def test_fault_11_the_kernel_after_kexec_reads_the_time(box: Box) -> None:
    """The machine is another one after it, so this is the last test."""
    control = box.controls["cipu0"]
    before = box.mark()
    kernel, initrd = (f"/root/{name}" for name in boxes.NEXT)
    box.sh(f"phc kexec {kernel} {initrd} '{APPEND}' > /dev/console 2>&1 &")
    box.wait_log("guest: agent ready", BOOT_SECONDS, before)
    status = control.status()
    assert control.counts()["resets"]["driver"] == 1
    assert status["registers"]["dev_stat"] == 0
    assert status["bus_master"] is False
    box.wait(box.answers, 120, "the next kernel's shell")
    box.load()
    assert box.read(samples=5)["ok"] == 1
    control.fault("busy")
    box.wait(lambda: box.attribute("dev_busy") == 1, 30, "interrupts get through")
    assert not re.search(r"BUG|WARNING", box.log(before))
