# SPDX-License-Identifier: GPL-3.0-or-later
"""A client for the tests: speaks vfio-user and the control socket to a real emulator process.

It knows the wire format by itself and takes nothing from the emulator's code.
"""

import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LAB = Path(__file__).resolve().parents[2]
# Long enough for a busy machine.
PATIENCE_S = 120.0

HEADER = struct.Struct("<HHIII")
VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, REGION_INFO = 1, 2, 3, 4, 5
IRQ_INFO, SET_IRQS, REGION_READ, REGION_WRITE, RESET = 7, 8, 9, 10, 13
NO_REPLY, ERROR = 0x10, 0x20
CONFIG, MSIX = 7, 2

OFFSETS = {
    "dev_feat": (0x00, 4),
    "gst_feat": (0x04, 4),
    "drv_ver": (0x08, 4),
    "env_ver": (0x0C, 4),
    "dev_stat": (0x10, 1),
    "sync_stat": (0x11, 1),
    "tm_prec_ns": (0x14, 4),
    "epo_base_yr": (0x18, 4),
    "leap_sec": (0x1C, 4),
    "max_lat_ns": (0x20, 4),
    "mt_tout_us": (0x24, 4),
    "tstamp_ns": (0x28, 8),
    "thresh_us": (0x30, 4),
}
INVALID = 1 << 63
DRV_VER = 0x00010300
ENV_VER = 0x1F << 27 | 6 << 16 | 12 << 8 | 107
VERSION_JSON = json.dumps(
    {
        "capabilities": {
            "max_msg_fds": 8,
            "max_data_xfer_size": 1048576,
            "pgsizes": 4096,
            "max_dma_maps": 65535,
            "migration": {"pgsize": 4096, "max_bitmap_size": 268435456},
            "write_multiple": True,
        }
    }
).encode()


@dataclass
class Reply:
    ident: int
    command: int
    flags: int
    errno: int
    body: bytes

    @property
    def failed(self) -> bool:
        return bool(self.flags & ERROR)


class Gone(Exception):
    """The server closed the connection."""


class Client:
    """A vfio-user client: raw messages, and commands with their replies."""

    def __init__(self, path: Path, negotiate: bool = True) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(path))
        self._ident = 0
        self.eventfds: list[int] = []
        if negotiate:
            reply = self.call(VERSION, struct.pack("<HH", 0, 0) + VERSION_JSON + b"\0")
            assert not reply.failed

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()
        for fd in self.eventfds:
            os.close(fd)
        self.eventfds.clear()

    # The wire

    def send_raw(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.sock.sendmsg([data], rights)
            assert sent == len(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def send(
        self, command: int, body: bytes = b"", flags: int = 0, fds: tuple[int, ...] = ()
    ) -> int:
        self._ident = (self._ident + 1) & 0xFFFF
        self.send_raw(HEADER.pack(self._ident, command, 16 + len(body), flags, 0) + body, fds)
        return self._ident

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                more = self.sock.recv(size - len(data))
            except ConnectionResetError as error:
                raise Gone from error
            if not more:
                raise Gone
            data += more
        return data

    def receive(self) -> Reply:
        ident, command, size, flags, number = HEADER.unpack(self._exactly(16))
        return Reply(ident, command, flags, number, self._exactly(size - 16))

    def call(self, command: int, body: bytes = b"", fds: tuple[int, ...] = ()) -> Reply:
        ident = self.send(command, body, 0, fds)
        reply = self.receive()
        assert (reply.ident, reply.command, reply.flags & 0xF) == (ident, command, 1)
        return reply

    def is_closed(self) -> bool:
        """Whether the server closes the connection (waits for it)."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    # Regions

    def read_bytes(self, region: int, offset: int, count: int) -> bytes:
        reply = self.call(REGION_READ, struct.pack("<QII", offset, region, count))
        if reply.failed:
            raise OSError(reply.errno, os.strerror(reply.errno))
        assert reply.body[:16] == struct.pack("<QII", offset, region, len(reply.body) - 16)
        return reply.body[16:]

    def write_bytes(self, region: int, offset: int, data: bytes, posted: bool = False) -> None:
        body = struct.pack("<QII", offset, region, len(data)) + data
        if posted:
            self.send(REGION_WRITE, body, NO_REPLY)
            return
        reply = self.call(REGION_WRITE, body)
        if reply.failed:
            raise OSError(reply.errno, os.strerror(reply.errno))
        assert reply.body == body[:16]

    def config(self, offset: int, count: int) -> int:
        return int.from_bytes(self.read_bytes(CONFIG, offset, count), "little")

    def set_config(self, offset: int, count: int, value: int) -> None:
        self.write_bytes(CONFIG, offset, value.to_bytes(count, "little"))

    def read(self, register: str) -> int:
        offset, width = OFFSETS[register]
        return int.from_bytes(self.read_bytes(0, offset, width), "little")

    def write(self, register: str, value: int, posted: bool = True) -> None:
        offset, width = OFFSETS[register]
        self.write_bytes(0, offset, value.to_bytes(width, "little"), posted)

    # Actions of a guest

    def capabilities(self) -> dict[int, int]:
        found: dict[int, int] = {}
        where = self.config(0x34, 1)
        while where:
            assert where not in found.values() and where >= 0x40
            found[self.config(where, 1)] = where
            where = self.config(where + 1, 1)
        return found

    def set_irqs(self, flags: int, start: int, count: int, fds: tuple[int, ...] = ()) -> Reply:
        return self.call(SET_IRQS, struct.pack("<IIIII", 20, flags, MSIX, start, count), fds)

    def enable_interrupts(self) -> None:
        self.set_config(4, 2, 0x0006)
        self.eventfds = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        assert not self.set_irqs(0x24, 0, 2, tuple(self.eventfds)).failed

    def interrupts(self, vector: int, patience_s: float = PATIENCE_S) -> int:
        """Wait for a vector. Returns how often it was raised since the last call."""
        ready, _, _ = select.select([self.eventfds[vector]], [], [], patience_s)
        return os.eventfd_read(self.eventfds[vector]) if ready else 0

    def no_interrupt(self, vector: int) -> bool:
        """Whether none is pending. An earlier control reply ensures that all were delivered."""
        return self.interrupts(vector, 0) == 0

    def negotiate(self, features: int = 0xE) -> None:
        self.write("dev_stat", 0)
        self.write("gst_feat", features)
        self.write("env_ver", ENV_VER)
        self.write("drv_ver", DRV_VER)

    def bring_up(self, features: int = 0xE) -> None:
        self.negotiate(features)
        self.write("dev_stat", 1)
        self.enable_interrupts()
        self.write("dev_stat", 2)
        assert self.read("dev_stat") == 2


class ControlClient:
    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(path))
        self._file = self.sock.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def raw(self, line: bytes) -> dict[str, Any]:
        self.sock.sendall(line + b"\n")
        reply = json.loads(self._file.readline())
        assert isinstance(reply, dict)
        return reply

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        return self.raw(json.dumps({"op": op, **arguments}).encode())

    def do(self, op: str, **arguments: Any) -> dict[str, Any]:
        reply = self.ask(op, **arguments)
        assert reply["ok"], reply
        return reply

    def refused(self, op: str, **arguments: Any) -> str:
        reply = self.ask(op, **arguments)
        assert reply["ok"] is False and set(reply) == {"ok", "error"}, reply
        assert isinstance(reply["error"], str) and reply["error"]
        return str(reply["error"])


@dataclass
class Running:
    """An emulator process with its sockets."""

    folder: Path
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def control_socket(self) -> Path:
        return self.folder / "c"

    def start(self) -> "Running":
        self.process = subprocess.Popen(
            command(
                "--die-with-parent",
                *("--socket", str(self.socket), "--control", str(self.control_socket)),
                *self.arguments,
            ),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert "is up" in self.process.stdout.readline()
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, errors = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        assert not errors, errors
        return self.process.returncode

    def connect(self, negotiate: bool = True) -> Client:
        return Client(self.socket, negotiate)

    def control(self) -> ControlClient:
        return ControlClient(self.control_socket)

    def open_files(self, control: ControlClient) -> int:
        """Number of open files, counted after a reply, so that earlier requests are done."""
        control.do("status")
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


Start = Callable[..., Running]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "emulator", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(LAB), "PYTHONUNBUFFERED": "1"}
