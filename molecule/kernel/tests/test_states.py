# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of state: lost state, failed recovery, disappearance; what readers and the log see."""

import json
from collections.abc import Iterator

import pytest
from guestkernel.box import Box
from guestkernel.mutants import HASTY_S
from test_lifecycle import alive, poke, start_load, stop_load

# Looks like time, counted from another epoch.
WRONG_NS = 1_700_000_000 * 10**9
GONE = "function is gone"


@pytest.fixture(autouse=True)
def clean_up(box: Box) -> Iterator[None]:
    yield
    restore(box)


def restore(box: Box) -> None:
    """Let timestamps run and the PCI channel work, and load the driver under test."""
    box.controls["cipu0"].clear()
    box.controls["cipu0"].request("set", register="tstamp_ns", value=None)
    if box.run("test -e /sys/module/ptp_cipu/parameters")[0] == 0:
        if box.bound():
            poke(box, "online")
        box.unload()
    box.load()


def load_variant(box: Box, name: str) -> None:
    """Load a variant that makes a rare event happen; a mutant contains the variant's change."""
    box.unload()
    box.sh(f"insmod /root/{name if box.module == 'ptp_cipu' else box.module}.ko > /dev/null 2>&1 &")


@pytest.mark.parametrize("negotiation", ["probe", "reset"])
def test_lost_state_is_noticed_by_the_first_read(box: Box, negotiation: str) -> None:
    """D1: there is no earlier timestamp with which the first one could be compared."""
    control = box.controls["cipu0"]
    if negotiation == "probe":
        assert box.rebind() == 0
    else:
        poke(box, "prepare")
        poke(box, "done")
    # Without this the driver may negotiate again between the two reads, and answer the second.
    control.fault("bad_readback", register="gst_feat")
    control.fault("reset")
    control.request("set", register="tstamp_ns", value=WRONG_NS)
    answer = box.read(samples=1, calls=2)
    control.request("set", register="tstamp_ns", value=None)
    control.clear()
    assert (answer["ok"], answer["errors"]) == (0, {"EAGAIN": 2})
    box.wait(lambda: alive(box), 20, "negotiated again")
    assert abs(box.read()["offset_ns"]) < 5_000_000_000


def test_a_power_loss_under_load_causes_one_negotiation(box: Box) -> None:
    """D2: a reader that was late to close the clock closed a renegotiated one."""
    control = box.controls["cipu0"]
    assert alive(box)
    # A clock that stands still jumps at every read, so each read checks the device.
    control.request("set", register="tstamp_ns", value=WRONG_NS)
    start_load(box, reopen=False)
    for losses in range(1, 6):
        control.fault("reset")
        box.wait(lambda n=losses: box.attribute("dev_renegotiated") >= n, 30, "negotiated again")
        box.wait(lambda: alive(box), 30, "readable")
    stop_load(box)
    assert box.attribute("dev_renegotiated") == 5


def test_a_vector_that_fires_while_probe_gives_up_on_interrupts(box: Box) -> None:
    """D3: its handler waits for the mutex, and freeing the vector waits for the handler."""
    load_variant(box, "irqfail")
    box.wait(box.bound, 30, "probe ends")
    box.wait(lambda: alive(box), 10, "the clock works without interrupts")
    control = box.controls["cipu0"]
    control.fault("busy")
    box.wait(lambda: box.attribute("dev_busy") == 1, 10, "polled")


def poke_command(box: Box, step: str) -> str:
    """Command that pokes and prints the answer."""
    folder = "/sys/module/cipu_poke/parameters"
    return f"echo {step} {box.address()} > {folder}/poke; cat {folder}/answer"


def poke_all(box: Box, *steps: str) -> tuple[list[int], float]:
    """Run pokes in one command, so that a slow host adds no time between them.

    Return their answers, and the seconds that they took in the guest.
    """
    uptime = "cut -d' ' -f1 /proc/uptime"
    commands = (poke_command(box, step) for step in steps)
    began, *answers, ended = box.sh("; ".join((uptime, *commands, uptime))).split()
    return [int(answer) for answer in answers], float(ended) - float(began)


def test_an_error_recovery_that_never_ends_does_not_stop_the_clock(box: Box) -> None:
    """D4: the PCI core calls nothing more when another device fails to recover."""
    load_variant(box, "hasty")
    box.wait(box.bound, 30, "bound")
    before = box.mark()
    steps = f"{poke_command(box, 'nonfatal')}; phc read {box.clock()} extended 0 1 1"
    answer, read = box.sh(steps).splitlines()
    assert int(answer) == 2
    assert json.loads(read)["errors"] == {"EAGAIN": 1}
    box.wait(lambda: alive(box), 30, "the driver negotiates itself")
    box.wait_log("PCI error recovery did not finish", 5, before)


def test_readers_of_a_channel_that_stays_frozen_get_enodev(box: Box) -> None:
    """D4: the same if the core keeps the device blocked."""
    load_variant(box, "hasty")
    box.wait(box.bound, 30, "bound")
    answers, _ = poke_all(box, "frozen", "offline")
    assert answers[0] == 3
    box.wait(lambda: box.read()["errors"] == {"ENODEV": 1}, 30, "no more EAGAIN")
    poke(box, "online")
    box.wait(lambda: alive(box), 30, "the clock is back")


def test_a_recovery_that_ends_in_time_is_left_alone(box: Box) -> None:
    load_variant(box, "hasty")
    box.wait(box.bound, 30, "bound")
    for attempt in range(1, 6):
        before = box.mark()
        renegotiated = box.attribute("dev_renegotiated")
        box.sh(f"echo attempt {attempt} > /dev/kmsg")
        # On a slow host the recovery itself may take too long, and is then reported.
        if poke_all(box, "frozen", "slot_reset", "resume")[1] < HASTY_S:
            break
        box.wait(lambda: alive(box), 30, "the clock is back")
    else:
        pytest.fail("this host is too slow: no recovery ended within the limit")
    box.sh(f"sleep {HASTY_S + 1}; echo the limit has passed > /dev/kmsg")
    box.wait_log("the limit has passed", 30, before)
    assert "did not finish" not in box.log(before).rpartition(f"attempt {attempt}")[2]
    assert alive(box)
    assert box.attribute("dev_renegotiated") == renegotiated + 1


def test_a_reader_that_waits_for_another_keeps_interrupts_on(box: Box) -> None:
    """D6: with N readers of slow reads, the waits added up to N reads with interrupts off."""
    assert poke(box, "waiter") == 1


def test_slow_failing_reads_share_one_time_budget(box: Box) -> None:
    """D6: eight calls of three reads of just under 50 ms each took more than a second."""
    control = box.controls["cipu0"]
    control.set("max_lat_ns", 10_000_000)
    assert box.rebind() == 0
    control.fault("slow_reads", delay_us=30_000)
    box.read(calls=2)
    # The time budget ends after two reads; the next window is 100 ms later.
    assert control.counts()["reads"]["tstamp_ns"] <= 3
    assert box.attribute("ptp_gettm_blocked") >= 1


def test_gone_is_logged_once_per_disappearance(box: Box) -> None:
    """D7: also after a power loss, when the register was reset already."""
    control = box.controls["cipu0"]
    control.fault("bad_readback", register="drv_ver")
    control.fault("reset")
    before = box.mark()
    box.wait(lambda: box.read()["errors"].get("EAGAIN"), 20, "the power loss is noticed")
    for disappearances in (1, 2):
        control.fault("all_ones", config=True)
        box.wait(lambda: box.read()["errors"] == {"ENODEV": 1}, 90, "gone")
        looks = control.counts()["config"]["reads"]
        box.wait(
            lambda n=looks: control.counts()["config"]["reads"] >= n + 3, 30, "three more looks"
        )
        box.wait_log(rf"(?s)({GONE}.*){{{disappearances}}}", 5, before)
        assert box.log(before).count(GONE) == disappearances
        control.clear()
        box.wait(lambda: alive(box), 90, "the clock is back")


def test_negotiations_that_keep_failing_do_not_fill_the_log(box: Box) -> None:
    control = box.controls["cipu0"]
    assert box.rebind() == 0
    before = box.mark()
    control.fault("bad_readback", register="gst_feat")
    for _ in range(12):
        poke(box, "prepare")
        poke(box, "done")
    control.clear()
    box.wait(lambda: alive(box), 90, "the clock is back")
    lines = box.log(before).count("device accepts features") + box.log(before).count("negotiation")
    assert 1 <= lines <= 11


def test_the_threshold_is_read_after_driver_ok(box: Box) -> None:
    """Before DRIVER_OK a change raises no interrupt, so it would be missed."""
    control = box.controls["cipu0"]
    box.unbind()
    control.request("log", clear=True)
    assert box.bind() == 0
    accesses = [(kind, name, value) for _, kind, name, _, value in control.log()]
    started = accesses.index(("w", "dev_stat", 2))
    assert any(kind == "r" and name == "thresh_us" for kind, name, _ in accesses[started:])
