# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault: its effect on the guest, its duration, and that no trace is left."""

import socket
import struct
import time
from typing import Any

import pytest
from emulator.clock import ClockModel
from emulator.device import CipuDevice
from emulator.loop import Loop
from emulator.pci import PciFunction, PciOptions
from emulator.session import Session
from vfio_client import (
    CONFIG,
    DRV_VER,
    INVALID,
    OFFSETS,
    REGION_READ,
    Client,
    ControlClient,
    Gone,
    Running,
)

ALL_ONES = (1 << 64) - 1
TIMESTAMP = struct.pack("<QII", 0x28, 0, 8)


def test_invalid_timestamps_by_count(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="invalid_timestamps", count=3, skip=2)
    seen = [bool(guest.read("tstamp_ns") & INVALID) for _ in range(7)]
    assert seen == [False, False, True, True, True, False, False]
    assert control.do("status")["faults"] == {}
    stamps = control.do("counts")["timestamps"]
    assert (stamps["valid"], stamps["invalid"]) == (4, 3)


def test_invalid_timestamps_until_off(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="invalid_timestamps", on=True)
    assert all(guest.read("tstamp_ns") & INVALID for _ in range(5))
    assert control.do("status")["faults"]["invalid_timestamps"]["hits"] == 5
    control.do("fault", name="invalid_timestamps", on=False)
    assert not guest.read("tstamp_ns") & INVALID


def test_conditions_may_make_timestamps_invalid(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="maintenance", on=True)
    assert not guest.read("tstamp_ns") & INVALID
    control.do("fault", name="maintenance", on=True, invalid=True)
    assert guest.read("tstamp_ns") & INVALID
    control.do("fault", name="maintenance", on=False)
    assert not guest.read("tstamp_ns") & INVALID


@pytest.mark.parametrize("delay_us", [100, 3_000, 20_000])
def test_slow_reads(guest: Client, control: ControlClient, delay_us: int) -> None:
    control.do("fault", name="slow_reads", delay_us=delay_us, count=3)
    for _ in range(3):
        begin = time.monotonic_ns()
        guest.read("tstamp_ns")
        assert time.monotonic_ns() - begin >= delay_us * 1000
    assert control.do("status")["faults"] == {}
    stamps = control.do("counts")["timestamps"]
    assert stamps["delayed"] == 3
    assert stamps["slow"] == (3 if delay_us > 2000 else 0)
    assert stamps["valid"] == 3 - stamps["slow"]


@pytest.mark.parametrize("sample", ["start", "end"])
def test_when_a_slow_read_takes_the_time(
    guest: Client, control: ControlClient, sample: str
) -> None:
    control.do("clock", offset_ns=0)
    plain = [guest.read("tstamp_ns") - time.time_ns() for _ in range(20)][-1]
    control.do("fault", name="slow_reads", delay_us=500_000, sample=sample)
    late_ns = time.time_ns() + plain - guest.read("tstamp_ns")
    begin_ns = time.time_ns()
    value = guest.read("tstamp_ns") - plain
    end_ns = time.time_ns()
    assert end_ns - begin_ns >= 500_000_000
    # Nearer to one end than to the other, also on a busy machine.
    nearer_start = abs(value - begin_ns) < abs(value - end_ns)
    assert nearer_start == (sample == "start"), late_ns


def test_other_requests_are_answered_during_a_slow_read(
    guest: Client, control: ControlClient
) -> None:
    control.do("fault", name="slow_reads", delay_us=300_000, count=1)
    slow = guest.send(REGION_READ, TIMESTAMP)
    quick = guest.send(REGION_READ, struct.pack("<QII", 0, 0, 4))
    assert control.do("status")["connected"]
    assert [guest.receive().ident, guest.receive().ident] == [quick, slow]


def test_a_slow_read_of_a_client_that_left(emulator: Running, control: ControlClient) -> None:
    control.do("fault", name="slow_reads", delay_us=50_000, register="any")
    with emulator.connect() as first:
        first.send(REGION_READ, TIMESTAMP)
    with emulator.connect() as second:
        assert second.read("dev_feat") == 0x0F


def test_lost_replies(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="lost_replies")
    guest.send(REGION_READ, TIMESTAMP)
    assert guest.read("dev_feat") == 0x0F, "the next answer is for the next question"
    assert not guest.read("tstamp_ns") & INVALID
    assert control.do("counts")["timestamps"]["lost"] == 1


def test_error_replies(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="error_replies", count=2)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            guest.read("tstamp_ns")
    guest.read("tstamp_ns")
    assert control.do("counts")["timestamps"]["error"] == 2


def test_short_replies(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="short_replies", count=1)
    reply = guest.call(REGION_READ, TIMESTAMP)
    assert reply.body == struct.pack("<QII", 0x28, 0, 4) + bytes(4)
    assert len(guest.call(REGION_READ, TIMESTAMP).body) == 24
    assert control.do("counts")["timestamps"]["short"] == 1


def test_reply_faults_of_chosen_registers(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="error_replies", register="sync_stat")
    guest.read("tstamp_ns")
    guest.read("thresh_us")
    with pytest.raises(OSError, match="Input/output"):
        guest.read("sync_stat")
    control.do("fault", name="error_replies", register="any")
    for name in OFFSETS:
        with pytest.raises(OSError, match="Input/output"):
            guest.read(name)


def test_refused_version(client: Client, control: ControlClient) -> None:
    control.do("fault", name="refuse_version", on=True)
    client.negotiate()
    assert client.read("drv_ver") == 0
    client.write("dev_stat", 1)
    assert client.read("dev_stat") == 0
    control.do("fault", name="refuse_version", version=DRV_VER)
    client.write("drv_ver", DRV_VER)
    assert client.read("drv_ver") == 0
    client.write("drv_ver", DRV_VER | 1 << 24)
    assert client.read("drv_ver") == DRV_VER | 1 << 24
    assert control.do("counts")["refused_writes"] == {"drv_ver": 2, "dev_stat": 1}


@pytest.mark.parametrize("register", ["gst_feat", "drv_ver", "env_ver", "dev_stat"])
def test_bad_read_back(client: Client, control: ControlClient, register: str) -> None:
    control.do("fault", name="bad_readback", register=register, xor=0x12345678)
    client.bring_up() if register != "dev_stat" else client.negotiate()
    status = control.do("status")["registers"]
    width = OFFSETS[register][1]
    assert client.read(register) == status[register] ^ (0x12345678 & ((1 << 8 * width) - 1))
    control.do("clear")
    assert client.read(register) == status[register]


def test_bad_read_back_by_count(client: Client, control: ControlClient) -> None:
    control.do("fault", name="bad_readback", register="drv_ver", count=1)
    client.write("drv_ver", 6)
    assert [client.read("drv_ver"), client.read("drv_ver")] == [7, 6]


def test_slow_reset(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="slow_reset", settle_us=100_000)
    begin = time.monotonic_ns()
    guest.write("dev_stat", 0)
    polled = 0
    while guest.read("dev_stat") == 2:
        polled += 1
        if polled == 1:
            guest.write("gst_feat", 0x2)
    assert time.monotonic_ns() - begin >= 100_000_000
    assert polled
    assert guest.read("dev_stat") == 0
    assert guest.read("gst_feat") == 0, "negotiation waits for the reset"
    control.do("clear")
    guest.bring_up()


def test_reserved_bits(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="reserved_bits", on=True)
    control.do("fault", name="busy", on=True)
    plain = guest.read("tstamp_ns")
    assert plain >> 62 == 1
    assert guest.read("sync_stat") == 0x7C
    assert guest.read("dev_feat") == 0xFFFFFFFF
    control.do("clear")
    assert 0 <= guest.read("tstamp_ns") - (plain & ~(1 << 62)) < 60 * 10**9
    assert guest.read("sync_stat") == 0


@pytest.mark.parametrize("config", [True, False])
def test_all_ones(guest: Client, control: ControlClient, config: bool) -> None:
    control.do("fault", name="all_ones", config=config)
    for name, (_, width) in OFFSETS.items():
        assert guest.read(name) == (1 << 8 * width) - 1
    assert (guest.config(0, 4) == 0xFFFFFFFF) is config
    guest.write("dev_stat", 0)
    if config:
        guest.set_config(4, 2, 0)
    control.do("clear")
    assert guest.read("dev_stat") == 2, "writes during the fault are lost"
    assert control.do("status")["bus_master"] is True
    assert control.do("counts")["timestamps"]["all_ones"] == 1


def test_power_loss_is_silent(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="reset")
    assert [guest.read(n) for n in ("dev_stat", "gst_feat", "drv_ver")] == [0, 0, 0]
    assert guest.read("tstamp_ns") & INVALID
    assert guest.no_interrupt(0) and guest.no_interrupt(1)
    assert guest.config(4, 2) == 6
    control.do("fault", name="reset", config=True)
    assert guest.config(4, 2) == 0
    assert control.do("counts")["resets"]["power"] == 2


def test_closing_with_an_unread_request_ends_the_connection_without_a_reset() -> None:
    ours, theirs = socket.socketpair()
    function = PciFunction(PciOptions(), lambda cause: None)
    device = CipuDevice(ClockModel(), function.trigger)
    session = Session(ours, function, device, Loop(), lambda why: None, handshake_us=10**6)
    with theirs:
        theirs.sendall(bytes(64))
        session.close("vanished")
        theirs.settimeout(5)
        assert theirs.recv(1) == b""


def test_vanish_and_return(guest: Client, control: ControlClient, emulator: Running) -> None:
    files = emulator.open_files(control)
    control.do("fault", name="vanish", on=True)
    assert guest.is_closed()
    assert not emulator.socket.exists()
    assert emulator.open_files(control) == files - 4, "connection, listener, two eventfds"
    status = control.do("status")
    assert (status["connected"], status["listening"]) == (False, False)
    with pytest.raises(OSError, match="No such file"):
        emulator.connect()
    control.do("fault", name="return")
    with emulator.connect() as back:
        back.bring_up()
        assert not back.read("tstamp_ns") & INVALID
        assert emulator.open_files(control) == files


def test_vanish_during_a_slow_read(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="slow_reads", delay_us=50_000)
    guest.send(REGION_READ, TIMESTAMP)
    control.do("fault", name="vanish")
    with pytest.raises(Gone):
        guest.receive()
    control.do("clear")
    assert control.do("status")["listening"] is True


def test_return_reports_that_its_path_is_in_use(
    guest: Client, control: ControlClient, emulator: Running
) -> None:
    control.do("fault", name="vanish")
    emulator.socket.write_text("in the way")
    assert "not a socket" in control.refused("fault", name="return")
    emulator.socket.unlink()
    control.do("fault", name="return")


def test_clear_ends_everything(guest: Client, control: ControlClient) -> None:
    faults: dict[str, dict[str, Any]] = {
        "maintenance": {"invalid": True, "duration_us": 1_000_000},
        "device_error": {},
        "invalid_timestamps": {},
        "reserved_bits": {},
        "slow_reads": {"delay_us": 1},
        "error_replies": {},
        "short_replies": {},
        "lost_replies": {"count": 5},
        "refuse_version": {},
        "bad_readback": {"register": "drv_ver"},
        "all_ones": {},
    }
    for name, more in faults.items():
        control.do("fault", name=name, **more)
    control.do("set", register="tstamp_ns", value=0)
    control.do("clear")
    assert control.do("status")["faults"] == {}
    assert guest.read("sync_stat") == 0
    assert 0 < guest.read("tstamp_ns") < 1 << 62
    assert guest.read("drv_ver") == DRV_VER
    assert guest.read_bytes(CONFIG, 0, 2) == b"\xed\x1d"


def test_the_order_of_reply_faults(guest: Client, control: ControlClient) -> None:
    control.do("fault", name="slow_reads", delay_us=1, count=1)
    control.do("fault", name="short_replies", count=1)
    control.do("fault", name="error_replies", count=1)
    assert guest.call(REGION_READ, TIMESTAMP).failed
    assert len(guest.call(REGION_READ, TIMESTAMP).body) == 20
    assert guest.read("tstamp_ns") != ALL_ONES
    assert control.do("counts")["timestamps"] == {
        "valid": 1, "invalid": 0, "slow": 0, "lost": 0, "error": 1, "short": 1, "all_ones": 0,
        "delayed": 1,
    }  # fmt: skip
