# SPDX-License-Identifier: GPL-3.0-or-later
"""vfio-user on a Unix stream socket: layouts, framing, and passed file descriptors."""

import array
import contextlib
import os
import socket
import struct

HEADER = struct.Struct("<HHIII")
VERSION = struct.Struct("<HH")
DMA_MAP = struct.Struct("<IIQQQ")
DMA_UNMAP = struct.Struct("<IIQQ")
DEVICE_INFO = struct.Struct("<IIII")
REGION_INFO = struct.Struct("<IIIIQQ")
IRQ_INFO = struct.Struct("<IIII")
IRQ_SET = struct.Struct("<IIIII")
REGION_IO = struct.Struct("<QII")

CMD_VERSION = 1
CMD_DMA_MAP = 2
CMD_DMA_UNMAP = 3
CMD_GET_INFO = 4
CMD_REGION_INFO = 5
CMD_IRQ_INFO = 7
CMD_SET_IRQS = 8
CMD_REGION_READ = 9
CMD_REGION_WRITE = 10
CMD_RESET = 13

TYPE_MASK = 0xF
TYPE_COMMAND, TYPE_REPLY = 0, 1
FLAG_NO_REPLY = 0x10
FLAG_ERROR = 0x20

# Region and interrupt indexes.
CONFIG_REGION = 7
REGIONS = 9
MSIX_INDEX = 2
IRQ_INDEXES = 5

REGION_READABLE, REGION_WRITABLE = 1, 2
IRQ_EVENTFD, IRQ_NORESIZE = 1, 8
SET_NONE, SET_BOOL, SET_EVENTFD = 1, 2, 4
SET_MASK, SET_UNMASK, SET_TRIGGER = 8, 0x10, 0x20
DEVICE_RESETTABLE, DEVICE_PCI = 1, 2
UNMAP_ALL = 2

MAX_FDS = 8
MAX_DATA = 65536
MAX_MESSAGE = HEADER.size + REGION_IO.size + MAX_DATA
# One more than allowed, so that the kernel does not drop an excess descriptor silently.
ANCILLARY = socket.CMSG_SPACE((MAX_FDS + 1) * 4)


class ProtocolError(Exception):
    """The stream is damaged. The connection must end."""


class CommandError(Exception):
    """One command was wrong. It gets an error reply, and the connection continues."""

    def __init__(self, errno: int) -> None:
        super().__init__(os.strerror(errno))
        self.errno = errno


class Message:
    """One command with its body; owns its descriptors until they are taken."""

    __slots__ = ("body", "command", "fds", "flags", "id")

    def __init__(self, ident: int, command: int, flags: int, body: bytes, fds: list[int]) -> None:
        self.id = ident
        self.command = command
        self.flags = flags
        self.body = body
        self.fds = fds

    def take_fds(self) -> list[int]:
        fds, self.fds = self.fds, []
        return fds

    def close(self) -> None:
        close_fds(self.take_fds())


def close_fds(fds: list[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that recvmsg returned. The caller must close them."""
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


class Framer:
    """Cuts a byte stream into messages and assigns each the descriptors that came with its bytes.

    The kernel ends a read after the piece that carried descriptors, so they belong to the message
    that contains the last byte of that read.
    """

    def __init__(self) -> None:
        self._stream = bytearray()
        self._consumed = 0
        self._fds: list[tuple[int, list[int]]] = []

    @property
    def idle(self) -> bool:
        return not self._stream and not self._fds

    def feed(self, data: bytes | memoryview, fds: list[int]) -> None:
        self._stream += data
        if fds:
            self._fds.append((self._consumed + len(self._stream), fds))
            if sum(len(waiting) for _, waiting in self._fds) > MAX_FDS:
                raise ProtocolError("too many file descriptors")

    def next(self) -> Message | None:
        if len(self._stream) < HEADER.size:
            return None
        ident, command, size, flags, _ = HEADER.unpack_from(self._stream)
        if size < HEADER.size:
            raise ProtocolError(f"a message of {size} bytes is shorter than its header")
        if size > MAX_MESSAGE:
            raise ProtocolError(f"a message of {size} bytes is too long")
        if flags & TYPE_MASK != TYPE_COMMAND:
            raise ProtocolError("received a reply instead of a command")
        if len(self._stream) < size:
            return None
        body = bytes(self._stream[HEADER.size : size])
        del self._stream[:size]
        self._consumed += size
        fds: list[int] = []
        while self._fds and self._fds[0][0] <= self._consumed:
            fds += self._fds.pop(0)[1]
        return Message(ident, command, flags, body, fds)

    def close(self) -> None:
        for _, fds in self._fds:
            close_fds(fds)
        self._fds.clear()
        self._stream.clear()


def reply(ident: int, command: int, body: bytes = b"") -> bytes:
    return HEADER.pack(ident, command, HEADER.size + len(body), TYPE_REPLY, 0) + body


def error_reply(ident: int, command: int, errno: int) -> bytes:
    return HEADER.pack(ident, command, HEADER.size, TYPE_REPLY | FLAG_ERROR, errno)
