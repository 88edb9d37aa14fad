# SPDX-License-Identifier: GPL-3.0-or-later
"""The PCI function: identity, capabilities, BARs, and every kind of reset."""

import struct

import pytest
from vfio_client import CONFIG, GET_INFO, IRQ_INFO, REGION_INFO, RESET, Client, ControlClient, Start

PM, MSIX, EXPRESS = 0x01, 0x11, 0x10


def region_info(client: Client, index: int) -> tuple[int, ...]:
    reply = client.call(REGION_INFO, struct.pack("<IIIIQQ", 32, 0, index, 0, 0, 0))
    assert not reply.failed
    return struct.unpack("<IIIIQQ", reply.body)


def test_identity(client: Client) -> None:
    assert client.config(0x00, 4) == 0x500C1DED
    assert client.config(0x2C, 4) == 0x11231DED
    assert client.config(0x0E, 1) == 0
    assert client.config(0x3D, 1) == 0, "no INTx pin"
    assert client.config(0x06, 2) & 0x10, "there are capabilities"


def test_device_and_region_info(client: Client) -> None:
    body = client.call(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0)).body
    assert struct.unpack("<IIII", body) == (16, 3, 9, 5)
    sizes = {index: region_info(client, index)[4] for index in range(9)}
    assert sizes == {0: 4096, 1: 0, 2: 4096, 3: 0, 4: 0, 5: 0, 6: 0, 7: 4096, 8: 0}
    assert region_info(client, 0)[1] == 3
    assert region_info(client, 1)[1] == 0


def test_interrupt_info(client: Client) -> None:
    for index in range(5):
        body = client.call(IRQ_INFO, struct.pack("<IIII", 16, 0, index, 0)).body
        expected = (16, 9, 2, 2) if index == 2 else (16, 0, index, 0)
        assert struct.unpack("<IIII", body) == expected


def test_capabilities(client: Client) -> None:
    found = client.capabilities()
    assert set(found) == {PM, MSIX, EXPRESS}
    control, table, pba = struct.unpack("<HII", client.read_bytes(CONFIG, found[MSIX] + 2, 10))
    assert control & 0x7FF == 1, "two vectors"
    assert table & 7 == pba & 7 == 2, "in BAR 2"
    assert client.config(found[EXPRESS] + 4, 4) & 1 << 28, "function level reset"
    assert client.config(0x100, 4) == 0, "no extended capability"


def test_bars_can_be_sized(client: Client) -> None:
    for bar, expected in ((0, 0xFFFFF000), (1, 0), (2, 0xFFFFF000), (3, 0), (4, 0), (5, 0)):
        client.set_config(0x10 + 4 * bar, 4, 0xFFFFFFFF)
        assert client.config(0x10 + 4 * bar, 4) == expected


def test_only_writable_bits_change(client: Client) -> None:
    before = client.read_bytes(CONFIG, 0, 4096)
    client.write_bytes(CONFIG, 0x100, b"\xff" * 0xF00)
    for where in (0x00, 0x02, 0x06, 0x08, 0x2C, 0x34):
        client.set_config(where, 2, 0xFFFF)
    assert client.read_bytes(CONFIG, 0, 4096) == before


@pytest.mark.parametrize(
    ("arguments", "bar0", "size"),
    [
        (("--bar0-size", "16"), 0x0, 16),
        (("--bar0-kind", "io", "--bar0-size", "256"), 0x1, 256),
        (("--bar0-kind", "memory64"), 0x4, 4096),
        (("--bar0-size", "65536"), 0x0, 65536),
    ],
)
def test_unusual_bar_0(start: Start, arguments: tuple[str, ...], bar0: int, size: int) -> None:
    with start(*arguments).connect() as client:
        assert client.config(0x10, 4) == bar0
        assert region_info(client, 0)[4] == size
        client.set_config(0x10, 4, 0xFFFFFFFF)
        assert client.config(0x10, 4) == -size & 0xFFFFFFFF | bar0


@pytest.mark.parametrize("vectors", [0, 1, 3])
def test_unusual_numbers_of_vectors(start: Start, vectors: int) -> None:
    with start("--vectors", str(vectors)).connect() as client:
        found = client.capabilities()
        assert (MSIX in found) == bool(vectors)
        if vectors:
            assert client.config(found[MSIX] + 2, 2) & 0x7FF == vectors - 1
        body = client.call(IRQ_INFO, struct.pack("<IIII", 16, 0, 2, 0)).body
        assert struct.unpack("<IIII", body)[3] == vectors


def test_the_table_can_lie_in_bar_0(start: Start) -> None:
    with start("--msix-bar", "0").connect() as client:
        where = client.capabilities()[MSIX]
        assert client.config(where + 4, 4) == 0x800
        client.bring_up()
        client.write_bytes(0, 0x800, b"\x12\x34\x56\x78")
        assert client.read_bytes(0, 0x800, 4) == b"\x12\x34\x56\x78"
        assert region_info(client, 2)[4] == 0


def test_msix_table_memory(client: Client) -> None:
    client.write_bytes(2, 0x800, b"\x11" * 32)
    assert client.read_bytes(2, 0x800, 32) == b"\x11" * 32
    client.write_bytes(2, 0xC00, b"\xff" * 8)
    assert client.read_bytes(2, 0xC00, 8) == bytes(8), "pending bits are read-only"


def is_reset(guest: Client) -> bool:
    return [guest.read(n) for n in ("dev_stat", "gst_feat", "drv_ver")] == [0, 0, 0]


def test_reset_command(guest: Client, control: ControlClient) -> None:
    assert not guest.call(RESET).failed
    assert is_reset(guest)
    assert guest.config(4, 2) == 0, "bus mastering is off"
    assert control.do("counts")["resets"]["command"] == 1
    guest.bring_up()


@pytest.mark.parametrize("width", [1, 2])
def test_function_level_reset(guest: Client, control: ControlClient, width: int) -> None:
    where = guest.capabilities()[EXPRESS] + 8
    if width == 2:
        guest.set_config(where, 2, guest.config(where, 2) | 0x8000)
    else:
        guest.set_config(where + 1, 1, 0x80)
    assert is_reset(guest)
    assert not guest.config(where, 2) & 0x8000
    assert control.do("counts")["resets"]["flr"] == 1


def test_other_writes_of_device_control_are_no_reset(guest: Client) -> None:
    where = guest.capabilities()[EXPRESS] + 8
    guest.set_config(where, 2, 0x0010)
    guest.set_config(where, 1, 0x80)
    assert not is_reset(guest)


def test_sleep_and_wake_is_a_reset(guest: Client, control: ControlClient) -> None:
    where = guest.capabilities()[PM] + 4
    guest.set_config(where, 2, 3)
    assert control.do("status")["power_state"] == "D3"
    assert guest.read("dev_feat") == 0xFFFFFFFF
    assert guest.read("tstamp_ns") == 0xFFFFFFFFFFFFFFFF
    guest.write("dev_stat", 0)
    assert guest.config(0, 2) == 0x1DED, "configuration space answers in D3"
    guest.set_config(where, 2, 0)
    assert is_reset(guest)
    assert control.do("counts")["resets"]["d3"] == 1
    guest.bring_up()
