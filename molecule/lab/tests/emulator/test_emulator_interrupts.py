# SPDX-License-Identifier: GPL-3.0-or-later
"""Vectors: when they are raised and when they must not be."""

import os

import pytest
from vfio_client import Client, ControlClient, Running

CONDITIONS = {"maintenance": 0x01, "clock_abnormal": 0x02, "busy": 0x10, "device_error": 0x80}


def test_threshold_raises_vector_0(guest: Client, control: ControlClient) -> None:
    control.do("set", register="thresh_us", value=250)
    assert guest.interrupts(0) == 1
    assert guest.no_interrupt(1)
    assert guest.read("thresh_us") == 250
    control.do("set", register="thresh_us", value=250)
    assert guest.no_interrupt(0), "nothing changed"


@pytest.mark.parametrize(("name", "bit"), CONDITIONS.items())
def test_conditions_raise_vector_1_both_ways(
    guest: Client, control: ControlClient, name: str, bit: int
) -> None:
    for on in (True, False):
        control.do("fault", name=name, on=on)
        assert guest.interrupts(1) == 1
        assert guest.read("sync_stat") == (bit if on else 0)
    assert guest.no_interrupt(0)
    assert control.do("counts")["interrupts"] == {"0": 0, "1": 2}


def test_conditions_add_up(guest: Client, control: ControlClient) -> None:
    for name in CONDITIONS:
        control.do("fault", name=name)
    assert guest.read("sync_stat") == 0x93
    assert sorted(control.do("status")["conditions"]) == sorted(CONDITIONS)
    control.do("fault", name="busy", on=False)
    assert guest.read("sync_stat") == 0x83
    control.do("clear")
    assert guest.read("sync_stat") == 0
    assert guest.interrupts(1) == 6


@pytest.mark.parametrize(("features", "expected"), [(0x2, 0), (0x6, 1), (0xA, 1), (0xE, 2)])
def test_only_negotiated_changes_are_announced(
    client: Client, control: ControlClient, features: int, expected: int
) -> None:
    client.bring_up(features)
    control.do("fault", name="clock_abnormal", on=True)
    first = client.interrupts(1, 0)
    control.do("fault", name="clock_abnormal", on=False)
    second = client.interrupts(1, 0)
    assert (first, second) == (int(bool(features & 4)), int(bool(features & 8)))
    counts = control.do("counts")
    assert counts["interrupts"]["1"] == expected
    assert counts["suppressed"].get("not_negotiated", 0) == 2 - expected


def test_none_before_driver_ok(client: Client, control: ControlClient) -> None:
    client.negotiate()
    client.write("dev_stat", 1)
    client.enable_interrupts()
    control.do("fault", name="busy")
    control.do("set", register="thresh_us", value=1)
    assert client.no_interrupt(0) and client.no_interrupt(1)
    assert control.do("counts")["suppressed"] == {"not_driver_ok": 2}
    client.write("dev_stat", 2)
    assert client.read("dev_stat") == 2
    assert client.no_interrupt(1), "a driver has to look at sync_stat by itself"


def test_none_after_reset(guest: Client, control: ControlClient) -> None:
    guest.write("dev_stat", 0)
    assert guest.read("dev_stat") == 0
    control.do("fault", name="busy")
    assert guest.no_interrupt(1)


def test_none_without_bus_mastering(guest: Client, control: ControlClient) -> None:
    guest.set_config(4, 2, 0x0002)
    control.do("fault", name="busy")
    assert guest.no_interrupt(1)
    assert control.do("counts")["suppressed"] == {"no_bus_master": 1}
    assert control.do("status")["bus_master"] is False
    guest.set_config(4, 2, 0x0006)
    control.do("fault", name="busy", on=False)
    assert guest.interrupts(1) == 1


@pytest.mark.parametrize(("flags", "count"), [(0x24, 2), (0x21, 0)])
def test_none_without_eventfds(
    guest: Client, control: ControlClient, emulator: Running, flags: int, count: int
) -> None:
    files = emulator.open_files(control)
    assert not guest.set_irqs(flags, 0, count).failed
    assert emulator.open_files(control) == files - 2
    control.do("fault", name="busy")
    assert guest.no_interrupt(1)
    assert control.do("counts")["suppressed"] == {"no_eventfd": 1}
    assert control.do("status")["msix"]["vectors"] == []


def test_vectors_can_be_set_one_by_one_and_replaced(
    guest: Client, control: ControlClient, emulator: Running
) -> None:
    files = emulator.open_files(control)
    fresh = os.eventfd(0, os.EFD_NONBLOCK)
    assert not guest.set_irqs(0x24, 1, 1, (fresh,)).failed
    assert emulator.open_files(control) == files
    control.do("fault", name="busy")
    assert guest.no_interrupt(1)
    guest.eventfds.append(fresh)
    assert guest.interrupts(2) == 1


def test_a_full_eventfd_does_not_stop_the_device(guest: Client, control: ControlClient) -> None:
    os.eventfd_write(guest.eventfds[1], (1 << 64) - 2)
    control.do("fault", name="busy")
    assert control.do("counts")["suppressed"] == {"eventfd_failed": 1}
    assert guest.read("sync_stat") == 0x10


def test_a_silent_condition(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="device_error", silent=True)
    assert guest.read("sync_stat") == 0x80
    assert guest.no_interrupt(1)


def test_interrupts_without_a_reason(guest: Client, control: ControlClient) -> None:
    assert control.do("interrupt", vector=1, count=1000)["raised"] == 1000
    assert guest.interrupts(1) == 1000
    assert "vector" in control.refused("interrupt", vector=2)


def test_msix_enable_is_reported(guest: Client, control: ControlClient) -> None:
    assert control.do("status")["msix"] == {"enabled": False, "vectors": [0, 1]}
    where = guest.capabilities()[0x11] + 2
    guest.set_config(where, 2, 0x8001)
    assert control.do("status")["msix"]["enabled"] is True


def test_sync_stat_can_be_set_as_a_whole(guest: Client, control: ControlClient) -> None:
    control.do("set", register="sync_stat", value=0x6C)
    assert guest.interrupts(1) == 1
    assert guest.read("sync_stat") == 0x6C
    assert control.do("status")["conditions"] == []


def test_a_condition_ends_by_itself(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="maintenance", duration_us=20_000)
    assert guest.interrupts(1) == 1
    assert guest.interrupts(1) == 1
    assert guest.read("sync_stat") == 0
    control.do("fault", name="maintenance", duration_us=20_000)
    control.do("fault", name="maintenance", on=True)
    counts = control.do("counts")["sync"]["maintenance"]
    assert (counts["set"], counts["cleared"]) == (2, 1), "an endless one replaces it"
