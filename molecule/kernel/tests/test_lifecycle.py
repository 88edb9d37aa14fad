# SPDX-License-Identifier: GPL-3.0-or-later
"""Sleep, reset, errors, unplugging, unloading: fault 11; nothing may be lost."""

import json
import re
from typing import Any

import pytest
from guestkernel.box import Box

STOP = "touch /tmp/stop"


def start_load(box: Box, threads: int = 8, *, reopen: bool = True) -> None:
    command = box.load_command(seconds=600, threads=threads, reopen=reopen)
    box.sh(f"rm -f /tmp/stop; {command} > /tmp/load 2>&1 &")


def stop_load(box: Box) -> dict[str, Any]:
    """Stop the readers; all must return."""
    box.sh(STOP)
    box.wait(lambda: box.run("pidof phc")[0] != 0, 60, "all readers have returned")
    answer = json.loads(box.sh("cat /tmp/load"))
    assert isinstance(answer, dict)
    return answer


def alive(box: Box) -> bool:
    return bool(box.read()["ok"] == 1)


def poke(box: Box, what: str) -> int:
    box.sh(f"echo {what} {box.address()} > /sys/module/cipu_poke/parameters/poke")
    return int(box.sh("cat /sys/module/cipu_poke/parameters/answer"))


def test_a_reader_follows_the_clock_to_its_new_number(box: Box) -> None:
    """A program that keeps the removed clock open also keeps its number.

    A reader that opens the former number again may open another function's clock too early.
    """
    former = box.clock()
    box.sh(f"{box.load_command(seconds=600, threads=1)} > /tmp/holder 2>&1 &")
    start_load(box, threads=2)
    opened = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '{}$'"
    box.wait(lambda: int(box.run(opened.format(former))[1]) == 3, 10, "all readers have opened it")
    assert box.rebind() == 0
    assert box.clock() != former
    box.wait(lambda: int(box.run(opened.format(box.clock()))[1]) == 2, 10, "both have found it")
    stop_load(box)


@pytest.mark.parametrize("method", ["flr", "pm"])
def test_fault_11_a_function_reset_keeps_the_clock_and_its_index(box: Box, method: str) -> None:
    clock = box.clock()
    before = box.mark()
    start_load(box, reopen=False)
    box.sh(f"echo {method} > {box.device()}/reset_method")
    for _ in range(3):
        box.sh(f"echo 1 > {box.device()}/reset")
    answer = stop_load(box)
    assert box.clock() == clock
    assert alive(box)
    attributes = box.attributes()
    assert attributes["dev_renegotiated"] == 3
    assert attributes["reg_dev_stat"] == 2
    assert answer["ok"]
    assert set(answer["errors"]) <= {"EAGAIN", "EIO", "EBUSY"}
    control = box.controls["cipu0"]
    control.fault("busy")
    box.wait(lambda: box.attribute("dev_busy") == 1, 5, "interrupts work again")
    # The driver was notified of each reset; it did not find the result of one.
    box.wait_log("device busy", 5, before)
    assert "function lost its state" not in box.log(before)


def test_fault_11_reads_fail_clearly_while_in_reset(box: Box) -> None:
    poke(box, "prepare")
    assert box.read(calls=3)["errors"] == {"EAGAIN": 3}
    assert box.attribute("ptp_gettm_offline") == 3
    assert box.controls["cipu0"].status()["registers"]["dev_stat"] == 0
    poke(box, "done")
    assert alive(box)


def test_fault_11_a_reset_that_cannot_be_recovered_from_is_tried_again(box: Box) -> None:
    control = box.controls["cipu0"]
    poke(box, "prepare")
    control.fault("bad_readback", register="drv_ver", count=2)
    poke(box, "done")
    box.wait(lambda: alive(box), 30, "the driver retried on its own")


@pytest.mark.parametrize("how", ["devices", "platform"])
def test_fault_11_suspend_and_resume(box: Box, how: str) -> None:
    clock = box.clock()
    if box.run("test -e /sys/power/pm_test")[0]:
        pytest.skip("this kernel cannot test suspend")
    box.sh("echo 1 > /sys/module/suspend/parameters/pm_test_delay")
    box.sh(f"echo {how} > /sys/power/pm_test && echo mem > /sys/power/state", 300)
    box.sh("echo none > /sys/power/pm_test")
    assert box.clock() == clock
    assert alive(box)
    assert box.attribute("dev_renegotiated") == 1
    control = box.controls["cipu0"]
    control.fault("maintenance")
    box.wait(lambda: box.attribute("dev_maint") == 1, 5, "interrupts work again")


def test_fault_11_sleep_to_memory_and_back(box: Box) -> None:
    clock = box.clock()
    box.sh("(sleep 1; echo mem > /sys/power/state; echo awake > /tmp/awake) > /dev/null 2>&1 &")

    def status() -> Any:
        answer: Any = box.machine.qmp("query-status")
        return answer["status"]

    box.wait(lambda: status() == "suspended", 120, "asleep")
    box.machine.qmp("system_wakeup")
    box.wait(lambda: status() == "running", 60, "awake")
    box.wait(box.answers, 120, "the shell is awake")
    box.wait(lambda: box.run("rm /tmp/awake")[0] == 0, 120, "user space is awake")
    assert box.clock() == clock
    assert alive(box)
    assert box.controls["cipu0"].status()["bus_master"] is True


def test_fault_11_pci_errors_are_recovered_from(box: Box) -> None:
    clock = box.clock()
    # 3 is NEED_RESET, 5 RECOVERED, 2 CAN_RECOVER.
    assert poke(box, "frozen") == 3
    assert box.read()["errors"] == {"EAGAIN": 1}
    assert poke(box, "slot_reset") == 5
    poke(box, "resume")
    assert box.clock() == clock
    assert alive(box)
    assert poke(box, "nonfatal") == 2
    assert poke(box, "mmio_enabled") == 5
    poke(box, "resume")
    assert alive(box)


def test_fault_11_a_dead_channel_is_final(box: Box) -> None:
    # 4 is DISCONNECT.
    assert poke(box, "permanent") == 4
    assert box.read()["errors"] == {"ENODEV": 1}


def test_hot_unplug_with_eight_readers_in_flight(box: Box) -> None:
    start_load(box)
    box.wait(lambda: box.controls["cipu0"].counts()["reads"]["tstamp_ns"] > 100, 60, "under load")
    clock = box.clock()
    box.machine.unplug("cipu0")
    assert box.run(f"test -e {clock}")[0]
    box.machine.plug("cipu0")
    box.wait(box.bound, 60, "bound again")
    box.wait(lambda: alive(box), 30, "the clock is back")
    answer = stop_load(box)
    assert answer["ok"]
    assert set(answer["errors"]) <= {"ENODEV", "ENOENT", "EIO", "EBUSY", "EAGAIN", "ENXIO"}


def test_surprise_removal_with_eight_readers_in_flight(box: Box) -> None:
    control = box.controls["cipu0"]
    start_load(box)
    box.wait(lambda: control.counts()["reads"]["tstamp_ns"] > 100, 60, "under load")
    before = box.mark()
    control.fault("vanish")
    box.wait_log(r"function is gone", 60, before)
    assert box.read()["errors"] == {"ENODEV": 1}
    counters = box.attributes()
    assert not any(counters[f"dev_{name}"] for name in ("clk_abn", "maint", "busy", "err"))
    control.fault("return")
    box.machine.unplug("cipu0")
    box.machine.plug("cipu0")
    box.wait(box.bound, 60, "bound again")
    box.wait(lambda: alive(box), 30, "the clock is back")
    answer = stop_load(box)
    assert answer["ok"]


def test_removal_silences_the_function(box: Box) -> None:
    control = box.controls["cipu0"]
    box.unbind()
    status = control.status()
    assert status["registers"]["dev_stat"] == 0
    assert status["msix"]["enabled"] is False
    before = control.counts()["interrupts"]["1"]
    control.fault("busy")
    assert control.counts()["interrupts"]["1"] == before
    assert "ptp_cipu" not in box.sh("grep 10.0 /proc/interrupts; true")


def test_loading_and_unloading_again_and_again_under_load(box: Box) -> None:
    start_load(box, threads=4)
    for _ in range(5):
        # An open clock does not pin the module: its readers get ENODEV.
        box.unload()
        box.load()
    stop_load(box)
    assert alive(box)


def test_probe_survives_running_out_of_memory_at_any_point(box: Box) -> None:
    """Every allocation of the probe fails once: it must then fail cleanly, or do without."""
    if box.run("test -e /sys/kernel/debug/failslab/times")[0]:
        pytest.skip("this kernel injects no faults")
    box.unbind()
    driver = "/sys/bus/pci/drivers/ptp_cipu"
    knobs = "/sys/kernel/debug/failslab"
    box.sh(
        f"cd {knobs} && echo 1 > task-filter && echo 100 > probability && echo 0 > verbose"
        " && echo 0 > ignore-gfp-wait"
    )
    script = (
        f"cd {knobs}; for nth in $(seq 1 40); do"
        f" sh -c 'echo $0 > /proc/self/fail-nth; exec 3> {driver}/bind;"
        f" echo {box.address()} >&3' $nth 2>/dev/null;"
        f" [ -e {box.device()}/driver ] && echo {box.address()} > {driver}/unbind;"
        " done; echo 0 > probability; echo 0 > task-filter"
    )
    box.sh(script, 600)
    assert box.bind() == 0
    assert alive(box)


def test_nothing_is_leaked(box: Box) -> None:
    """Checks for leaks of all tests that ran before this one."""
    box.unload()
    assert box.leaks() == ""
    box.load()


def test_fault_11_the_next_kernel_finds_the_function_silent(box: Box) -> None:
    """Shutdown, as kexec does it. The machine ends with it, so this is the last test."""
    control = box.controls["cipu0"]
    before = box.mark()
    box.sh("sync; (sleep 1; poweroff -f) > /dev/null 2>&1 &")
    box.machine.wait_end(120)
    counts = control.counts()
    assert counts["resets"].get("driver", 0) >= 1
    assert not re.search(r"BUG|WARNING", box.log(before))
