# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed and hostile clients get an error reply or a closed connection, without leaks."""

import contextlib
import os
import socket
import struct

import pytest
from emulator.protocol import Framer, ProtocolError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vfio_client import (
    CONFIG,
    DMA_MAP,
    DMA_UNMAP,
    GET_INFO,
    HEADER,
    IRQ_INFO,
    NO_REPLY,
    REGION_INFO,
    REGION_READ,
    REGION_WRITE,
    RESET,
    SET_IRQS,
    VERSION,
    VERSION_JSON,
    Client,
    ControlClient,
    Gone,
    Running,
    Start,
)

EINVAL, ENOSYS = 22, 38


def fresh_client_works(emulator: Running) -> None:
    with emulator.connect() as client:
        client.bring_up()
        assert client.read("tstamp_ns") < 1 << 62


@pytest.mark.parametrize(
    "header",
    [
        HEADER.pack(1, RESET, 0, 0, 0),
        HEADER.pack(1, RESET, 15, 0, 0),
        HEADER.pack(1, RESET, 0xFFFFFFFF, 0, 0),
        HEADER.pack(1, REGION_WRITE, 1 << 20, 0, 0),
        HEADER.pack(1, RESET, 16, 1, 0),
        HEADER.pack(1, RESET, 16, 0xF, 0),
        b"\xff" * 16,
    ],
    ids=["empty", "short", "giant", "long", "reply", "unknown type", "ones"],
)
def test_bad_headers_end_the_connection(
    emulator: Running, control: ControlClient, header: bytes
) -> None:
    with emulator.connect() as client:
        client.send_raw(header)
        with pytest.raises(Gone):
            client.receive()
    assert control.do("counts")["session"]["protocol_errors"] == 1
    fresh_client_works(emulator)


BAD_COMMANDS = {
    "unknown command": (99, b""),
    "command 0": (0, b""),
    "region I/O descriptors": (6, bytes(16)),
    "DMA read": (11, bytes(16)),
    "second version": (VERSION, struct.pack("<HH", 0, 0)),
    "info cut short": (GET_INFO, bytes(15)),
    "region info cut short": (REGION_INFO, bytes(8)),
    "region info argsz": (REGION_INFO, struct.pack("<IIIIQQ", 8, 0, 0, 0, 0, 0)),
    "region 9": (REGION_INFO, struct.pack("<IIIIQQ", 32, 0, 9, 0, 0, 0)),
    "region -1": (REGION_INFO, struct.pack("<IIIIQQ", 32, 0, 0xFFFFFFFF, 0, 0, 0)),
    "irq index 5": (IRQ_INFO, struct.pack("<IIII", 16, 0, 5, 0)),
    "irq info cut short": (IRQ_INFO, b""),
    "DMA map cut short": (DMA_MAP, bytes(31)),
    "DMA map of nothing": (DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0, 0)),
    "DMA map that wraps": (DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 1 << 63, 1 << 63 | 1)),
    "DMA unmap of nothing": (DMA_UNMAP, struct.pack("<IIQQ", 24, 0, 0, 4096)),
    "DMA unmap with bitmap": (DMA_UNMAP, struct.pack("<IIQQ", 24, 1, 0, 4096)),
    "read cut short": (REGION_READ, bytes(12)),
    "read of nothing": (REGION_READ, struct.pack("<QII", 0, 0, 0)),
    "read of a missing BAR": (REGION_READ, struct.pack("<QII", 0, 1, 4)),
    "read of region 9": (REGION_READ, struct.pack("<QII", 0, 9, 4)),
    "read past the end": (REGION_READ, struct.pack("<QII", 4093, 0, 4)),
    "read far past the end": (REGION_READ, struct.pack("<QII", 0xFFFFFFFFFFFFFFFF, 0, 4)),
    "huge read": (REGION_READ, struct.pack("<QII", 0, CONFIG, 0xFFFFFFFF)),
    "read of the ROM": (REGION_READ, struct.pack("<QII", 0, 6, 4)),
    "write without data": (REGION_WRITE, struct.pack("<QII", 4, 0, 4)),
    "write with too much": (REGION_WRITE, struct.pack("<QII", 4, 0, 4) + bytes(5)),
    "write past the end": (REGION_WRITE, struct.pack("<QII", 4094, CONFIG, 4) + bytes(4)),
    "set irqs cut short": (SET_IRQS, bytes(19)),
    "set irqs of INTx": (SET_IRQS, struct.pack("<IIIII", 20, 0x24, 0, 0, 1)),
    "set irqs of index 9": (SET_IRQS, struct.pack("<IIIII", 20, 0x24, 9, 0, 1)),
    "vector 2": (SET_IRQS, struct.pack("<IIIII", 20, 0x24, 2, 2, 1)),
    "vectors that wrap": (SET_IRQS, struct.pack("<IIIII", 20, 0x24, 2, 0xFFFFFFFF, 2)),
    "huge count": (SET_IRQS, struct.pack("<IIIII", 20, 0x24, 2, 0, 0xFFFFFFFF)),
    "no flags": (SET_IRQS, struct.pack("<IIIII", 20, 0, 2, 0, 2)),
    "all flags": (SET_IRQS, struct.pack("<IIIII", 20, 0x3F, 2, 0, 2)),
    "bool data": (SET_IRQS, struct.pack("<IIIII", 20, 0x22, 2, 0, 1) + b"\1"),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_bad_commands_get_an_error_and_nothing_else(
    shared_guest: Client, shared_control: ControlClient, name: str
) -> None:
    guest, control = shared_guest, shared_control
    before = control.do("status")
    command, body = BAD_COMMANDS[name]
    reply = guest.call(command, body)
    assert reply.failed
    assert reply.errno in (EINVAL, ENOSYS)
    assert reply.body == b""
    assert control.do("status") == before
    assert guest.read("dev_stat") == 2


@pytest.mark.parametrize("command", [GET_INFO, REGION_READ, REGION_WRITE, RESET, SET_IRQS, 99])
def test_nothing_before_the_version(emulator: Running, command: int) -> None:
    with emulator.connect(negotiate=False) as client:
        assert client.call(command, bytes(32)).failed
        assert not client.call(VERSION, struct.pack("<HH", 0, 0) + VERSION_JSON + b"\0").failed
        assert client.read("dev_feat") == 0x0F


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        struct.pack("<HH", 1, 0) + VERSION_JSON + b"\0",
        struct.pack("<HH", 0, 0) + VERSION_JSON,
        struct.pack("<HH", 0, 0) + b"{nonsense\0",
        struct.pack("<HH", 0, 0) + b"[]\0",
        struct.pack("<HH", 0, 0) + b"\xff\xfe\0",
        struct.pack("<HH", 0, 0) + b"[" * 60000 + b"\0",
        struct.pack("<HH", 0, 0) + b"1" * 60000 + b"\0",
    ],
)
def test_bad_versions(emulator: Running, body: bytes) -> None:
    with emulator.connect(negotiate=False) as client:
        assert client.call(VERSION, body).failed
        assert client.call(GET_INFO, bytes(16)).failed


@pytest.mark.parametrize("text", [VERSION_JSON + b"\0", b"{}\0", b""])
def test_the_version_reply_is_no_longer_than_the_request(emulator: Running, text: bytes) -> None:
    with emulator.connect(negotiate=False) as client:
        reply = client.call(VERSION, struct.pack("<HH", 0, 7) + text)
        assert not reply.failed
        assert reply.body[:4] == bytes(4)
        assert len(reply.body) <= 4 + len(text)


def test_dma_maps_are_added_and_removed(
    guest: Client, control: ControlClient, emulator: Running
) -> None:
    files = emulator.open_files(control)
    memory = os.memfd_create("guest")
    try:
        body = struct.pack("<IIQQQ", 32, 3, 0, 0x100000, 0x2000)
        assert not guest.call(DMA_MAP, body, (memory,)).failed
        assert guest.call(DMA_MAP, body).failed, "mapped already"
    finally:
        os.close(memory)
    assert emulator.open_files(control) == files, "the guest's memory is not kept"
    unmap = struct.pack("<IIQQ", 24, 0, 0x100000, 0x2000)
    assert guest.call(DMA_UNMAP, unmap).body == unmap
    assert guest.call(DMA_UNMAP, unmap).failed
    everything = struct.pack("<IIQQ", 24, 2, 0, 0)
    assert guest.call(DMA_UNMAP, everything).body == everything


def test_no_reply_if_none_is_requested(guest: Client) -> None:
    guest.send(99, b"", NO_REPLY)
    guest.send(REGION_WRITE, struct.pack("<QII", 0, 0, 4), NO_REPLY)
    guest.send(GET_INFO, bytes(16), NO_REPLY)
    guest.send(REGION_READ, struct.pack("<QII", 0x28, 0, 8), NO_REPLY)
    ident = guest.send(RESET)
    assert guest.receive().ident == ident


def test_descriptors_with_every_command_are_not_leaked(
    guest: Client, control: ControlClient, emulator: Running
) -> None:
    files = emulator.open_files(control)
    null = os.open("/dev/null", os.O_RDWR)
    try:
        for command, body in BAD_COMMANDS.values():
            assert guest.call(command, body, (null, null, null)).failed
        guest.call(GET_INFO, bytes(16), (null,) * 8)
        guest.call(RESET, b"", (null,))
        # A command in pieces, each with descriptors.
        request = HEADER.pack(7, GET_INFO, 32, 0, 0) + bytes(16)
        for byte in (request[:5], request[5:20], request[20:]):
            guest.send_raw(byte, (null,))
        assert not guest.receive().failed
    finally:
        os.close(null)
    assert emulator.open_files(control) == files


@pytest.mark.parametrize("count", [9, 64, 253])
def test_too_many_descriptors(emulator: Running, control: ControlClient, count: int) -> None:
    files = emulator.open_files(control)
    null = os.open("/dev/null", os.O_RDWR)
    try:
        with emulator.connect() as client:
            client.send(GET_INFO, bytes(16), 0, (null,) * count)
            with pytest.raises(Gone):
                client.receive()
    finally:
        os.close(null)
    assert emulator.open_files(control) == files


def test_too_many_descriptors_in_pieces(emulator: Running, control: ControlClient) -> None:
    files = emulator.open_files(control)
    null = os.open("/dev/null", os.O_RDWR)
    try:
        with emulator.connect() as client, pytest.raises(Gone):
            client.send_raw(HEADER.pack(1, GET_INFO, 60000, 0, 0))
            for _ in range(1000):
                client.send_raw(b"x", (null,) * 4)
            client.receive()
    finally:
        os.close(null)
    assert emulator.open_files(control) == files


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_eventfds(
    guest: Client, control: ControlClient, emulator: Running, count: int
) -> None:
    files = emulator.open_files(control)
    fds = tuple(os.eventfd(0) for _ in range(count))
    reply = guest.set_irqs(0x24, 0, 2, fds)
    for fd in fds:
        os.close(fd)
    if count:
        assert reply.failed
        assert emulator.open_files(control) == files
        assert control.do("status")["msix"]["vectors"] == [0, 1]
    else:
        assert not reply.failed, "a count of 0 removes the eventfds"


def test_a_file_that_is_not_an_eventfd_is_refused(
    guest: Client, control: ControlClient, emulator: Running
) -> None:
    """A pipe without a reader would stop the emulator at the first interrupt."""
    files = emulator.open_files(control)
    reading, writing = os.pipe()
    good = os.eventfd(0)
    assert guest.set_irqs(0x24, 0, 2, (good, writing)).failed
    for fd in (reading, writing, good):
        os.close(fd)
    assert emulator.open_files(control) == files
    control.do("fault", name="busy")
    assert guest.interrupts(1) == 1, "the vectors are those from before"


def test_a_blocking_eventfd_does_not_block(guest: Client, control: ControlClient) -> None:
    blocking = os.eventfd(0)
    os.eventfd_write(blocking, (1 << 64) - 2)
    assert not guest.set_irqs(0x24, 1, 1, (blocking,)).failed
    control.do("fault", name="busy")
    assert control.do("counts")["suppressed"] == {"eventfd_failed": 1}
    os.close(blocking)


def test_a_second_client_is_refused(guest: Client, emulator: Running) -> None:
    with pytest.raises((Gone, ConnectionResetError)):
        emulator.connect()
    assert guest.read("dev_stat") == 2


def test_a_silent_client_is_disconnected(start: Start) -> None:
    emulator = start("--handshake-ms", "200")
    with emulator.connect(negotiate=False) as silent:
        assert silent.is_closed()
    fresh_client_works(emulator)


def test_a_client_that_reads_no_replies_is_dropped(
    emulator: Running, control: ControlClient
) -> None:
    with emulator.connect() as client:
        request = HEADER.pack(1, REGION_READ, 32, 0, 0) + struct.pack("<QII", 0, CONFIG, 4096)
        with pytest.raises((Gone, BrokenPipeError, ConnectionResetError)):
            for _ in range(100_000):
                client.sock.sendall(request)
        assert control.do("status")["connected"] is False
    fresh_client_works(emulator)


def test_reconnecting_many_times(emulator: Running, control: ControlClient) -> None:
    fresh_client_works(emulator)
    files = emulator.open_files(control)
    for _ in range(100):
        fresh_client_works(emulator)
    assert emulator.open_files(control) == files
    counts = control.do("counts")["session"]
    assert counts["connections"] == 101
    assert "turned_away" not in counts


def test_a_reconnect_starts_from_reset(emulator: Running, control: ControlClient) -> None:
    control.do("fault", name="busy")
    with emulator.connect() as first:
        first.bring_up()
        first.set_config(0x10, 4, 0xFEB00000)
    with emulator.connect() as second:
        assert second.read("dev_stat") == 0
        assert second.config(4, 2) == 0
        assert second.config(0x10, 4) == 0
        assert second.read("sync_stat") == 0x10, "conditions outlive a VM"


def test_a_disconnect_in_the_middle_of_a_message(emulator: Running) -> None:
    whole = HEADER.pack(1, REGION_READ, 32, 0, 0) + struct.pack("<QII", 0, 0, 4)
    for size in (1, 15, 16, 31):
        with emulator.connect() as client:
            client.send_raw(whole[:size])
    fresh_client_works(emulator)


def test_requests_byte_by_byte_and_in_a_row(guest: Client) -> None:
    requests = b"".join(
        HEADER.pack(ident, REGION_READ, 32, 0, 0) + struct.pack("<QII", 0x28, 0, 8)
        for ident in range(1, 4)
    )
    for at in range(len(requests)):
        guest.send_raw(requests[at : at + 1])
    assert [guest.receive().ident for _ in range(3)] == [1, 2, 3]
    guest.send_raw(requests)
    assert [guest.receive().ident for _ in range(3)] == [1, 2, 3]


def test_data_that_looks_like_a_request_is_data(guest: Client, control: ControlClient) -> None:
    looks = HEADER.pack(1, REGION_READ, 32, 0, 0) + struct.pack("<QII", 0x28, 0, 8)
    guest.send_raw(HEADER.pack(7, REGION_WRITE, 64, 0, 0) + struct.pack("<QII", 0x800, 2, 32))
    control.do("status")
    guest.send_raw(looks)
    assert guest.receive().command == REGION_WRITE
    assert guest.read_bytes(2, 0x800, 32) == looks


def test_hostility_does_not_touch_another_function(start: Start) -> None:
    bad, good = start(), start("--name", "ref0")
    with good.connect() as reference, bad.connect() as client:
        reference.bring_up()
        client.send_raw(b"\xff" * 4096)
        assert client.is_closed()
        assert reference.read("dev_stat") == 2


commands = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda command, body, flags: HEADER.pack(9, command, 16 + len(body), flags, 0) + body,
        st.integers(0, 16),
        st.binary(max_size=80),
        st.sampled_from([0, 0, 0, NO_REPLY]),
    ),
    st.builds(
        lambda command, offset, region, count, data: (
            HEADER.pack(9, command, 32 + len(data), 0, 0)
            + struct.pack("<QII", offset, region, count)
            + data
        ),
        st.sampled_from([REGION_READ, REGION_WRITE]),
        st.integers(0, 70) | st.integers(0, 4096),
        st.sampled_from([0, 2, CONFIG]),
        st.integers(0, 16),
        st.binary(max_size=16),
    ),
    st.builds(
        lambda flags, index, start, count: (
            HEADER.pack(9, SET_IRQS, 36, 0, 0)
            + struct.pack("<IIIII", 20, flags, index, start, count)
        ),
        st.integers(0, 0x3F),
        st.integers(0, 5),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(commands, max_size=8), st.booleans())
def test_any_bytes_leave_a_working_server(
    shared: Running, shared_control: ControlClient, messages: list[bytes], with_fd: bool
) -> None:
    emulator, control = shared, shared_control
    control.do("status")
    with emulator.connect() as client:
        files = emulator.open_files(control)
        for message in messages:
            fd = os.eventfd(0)
            with contextlib.suppress(Gone):
                client.send_raw(message or b"\0", (fd,) if with_fd else ())
            os.close(fd)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.is_closed()
    assert control.do("status")["connected"] is False
    assert emulator.open_files(control) == files - 1
    fresh_client_works(emulator)


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=10),
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
)
def test_framing_does_not_depend_on_the_pieces(
    messages: list[tuple[int, bytes]], pieces: list[int]
) -> None:
    stream = b"".join(
        HEADER.pack(ident, RESET, 16 + len(body), 0, 0) + body for ident, body in messages
    )
    framer = Framer()
    seen = []
    at = step = 0
    while at < len(stream):
        size = pieces[step % len(pieces)]
        framer.feed(stream[at : at + size], [])
        at += size
        step += 1
        while (message := framer.next()) is not None:
            seen.append((message.id, message.body))
    assert seen == messages
    assert framer.idle


@given(st.binary(max_size=300))
def test_the_framer_accepts_any_bytes(data: bytes) -> None:
    framer = Framer()
    framer.feed(data, [])
    with contextlib.suppress(ProtocolError):
        while framer.next() is not None:
            pass
