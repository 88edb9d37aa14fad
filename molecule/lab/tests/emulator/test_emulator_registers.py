# SPDX-License-Identifier: GPL-3.0-or-later
"""BAR 0: the register map, exact widths, and the bring-up state machine."""

import struct
import time

import pytest
from vfio_client import (
    DRV_VER,
    ENV_VER,
    INVALID,
    OFFSETS,
    REGION_READ,
    Client,
    ControlClient,
    Start,
)

POWER_ON = {
    "dev_feat": 0x0F,
    "gst_feat": 0,
    "drv_ver": 0,
    "env_ver": 0,
    "dev_stat": 0,
    "sync_stat": 0,
    "tm_prec_ns": 100,
    "epo_base_yr": 2020,
    "leap_sec": 37,
    "max_lat_ns": 2_000_000,
    "mt_tout_us": 5_000_000,
    "thresh_us": 500,
}
READ_ONLY = (
    "dev_feat", "sync_stat", "tm_prec_ns", "epo_base_yr", "leap_sec", "max_lat_ns", "mt_tout_us",
    "thresh_us",
)  # fmt: skip


def test_power_on_values(client: Client) -> None:
    assert {name: client.read(name) for name in POWER_ON} == POWER_ON


@pytest.mark.parametrize("register", READ_ONLY)
def test_read_only_registers_keep_their_value(
    client: Client, control: ControlClient, register: str
) -> None:
    client.write(register, 0x5A)
    assert client.read(register) == POWER_ON[register]
    assert control.do("counts")["read_only_writes"] == 1


def test_the_timestamp_cannot_be_written(guest: Client, control: ControlClient) -> None:
    before = guest.read("tstamp_ns")
    guest.write("tstamp_ns", 5)
    assert guest.read("tstamp_ns") >= before
    assert control.do("counts")["read_only_writes"] == 1


def test_negotiated_values_read_back(client: Client) -> None:
    client.negotiate(0xE)
    assert client.read("gst_feat") == 0xE
    assert client.read("env_ver") == ENV_VER
    assert client.read("drv_ver") == DRV_VER
    client.write("dev_stat", 1)
    assert client.read("dev_stat") == 1
    client.write("dev_stat", 2)
    assert client.read("dev_stat") == 2


def test_features_that_are_not_offered_do_not_read_back(client: Client) -> None:
    client.write("gst_feat", 0x1E)
    assert client.read("gst_feat") == 0


@pytest.mark.parametrize("target", [1, 2, 3, 255])
def test_states_cannot_be_reached_without_negotiation(client: Client, target: int) -> None:
    client.write("dev_stat", target)
    assert client.read("dev_stat") == 0


@pytest.mark.parametrize("left_out", ["drv_ver", "env_ver"])
def test_feature_ok_needs_both_versions(client: Client, left_out: str) -> None:
    for name, value in (("drv_ver", DRV_VER), ("env_ver", ENV_VER)):
        if name != left_out:
            client.write(name, value)
    client.write("dev_stat", 1)
    assert client.read("dev_stat") == 0


def test_driver_ok_comes_after_feature_ok(client: Client, control: ControlClient) -> None:
    client.negotiate()
    client.write("dev_stat", 2)
    assert client.read("dev_stat") == 0
    assert control.do("counts")["refused_writes"] == {"dev_stat": 1}


@pytest.mark.parametrize("register", ["gst_feat", "drv_ver", "env_ver"])
def test_negotiation_ends_with_feature_ok(guest: Client, register: str) -> None:
    before = guest.read(register)
    guest.write(register, 1)
    assert guest.read(register) == before != 1


def test_reset_clears_the_negotiation_and_keeps_the_rest(
    guest: Client, control: ControlClient
) -> None:
    control.do("set", register="thresh_us", value=77)
    control.do("fault", name="busy", on=True)
    guest.write("dev_stat", 0)
    assert [guest.read(n) for n in ("dev_stat", "gst_feat", "drv_ver", "env_ver")] == [0, 0, 0, 0]
    assert guest.read("thresh_us") == 77
    assert guest.read("sync_stat") == 0x10
    guest.bring_up()


def test_timestamps_are_invalid_until_feature_ok(client: Client) -> None:
    client.negotiate()
    assert client.read("tstamp_ns") & INVALID
    client.write("dev_stat", 1)
    assert not client.read("tstamp_ns") & INVALID


@pytest.mark.parametrize(
    ("offset", "width", "kind"),
    [
        (0x11, 4, "unaligned"),
        (0x11, 2, "unaligned"),
        (0x2A, 8, "unaligned"),
        (0x10, 4, "wrong_width"),
        (0x28, 4, "wrong_width"),
        (0x2C, 4, "wrong_width"),
        (0x00, 8, "wrong_width"),
        (0x12, 2, "wrong_width"),
        (0x34, 4, "unknown"),
        (0xFFC, 4, "unknown"),
    ],
)
def test_other_accesses_read_all_ones_and_are_counted(
    guest: Client, control: ControlClient, offset: int, width: int, kind: str
) -> None:
    before = {name: guest.read(name) for name in POWER_ON}
    assert guest.read_bytes(0, offset, width) == b"\xff" * width
    guest.write_bytes(0, offset, b"\x01" * width)
    assert control.do("counts")[kind] == 2
    assert {name: guest.read(name) for name in POWER_ON} == before


def test_registers_are_little_endian(client: Client) -> None:
    assert client.read_bytes(0, *OFFSETS["epo_base_yr"]) == struct.pack("<I", 2020)


def test_values_at_power_on_can_be_given(start: Start) -> None:
    with start("--set", "thresh_us=9", "--set", "dev_feat=0x3").connect() as client:
        assert client.read("thresh_us") == 9
        assert client.read("dev_feat") == 3
        client.write("gst_feat", 0xE)
        assert client.read("gst_feat") == 0


def test_posted_and_answered_writes_do_the_same(client: Client) -> None:
    client.write("drv_ver", 5, posted=False)
    assert client.read("drv_ver") == 5
    client.write("drv_ver", 6, posted=True)
    assert client.read("drv_ver") == 6


def test_the_timestamp_path_is_fast(guest: Client) -> None:
    """A read may take 60 us. The median is not tested: it depends on the load of the machine."""
    request = struct.pack("<HHIIIQII", 1, REGION_READ, 32, 0, 0, 0x28, 0, 8)
    took = []
    for _ in range(5000):
        begin = time.perf_counter_ns()
        guest.sock.sendall(request)
        assert len(guest.sock.recv(64)) == 40
        took.append(time.perf_counter_ns() - begin)
    assert sorted(took)[len(took) // 20] < 60_000
