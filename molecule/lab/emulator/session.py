# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's connection: vfio-user commands, replies, and faults of replies."""

import contextlib
import errno
import json
import socket
import struct
from collections.abc import Callable

from . import protocol as p
from .device import CipuDevice
from .loop import Loop
from .pci import CONFIG_SIZE, MSIX_BAR_SIZE, PciFunction
from .registers import TIME_MASK, TSTAMP, Register

MAX_DMA_MAPS = 65535
QUICK_SIZE = p.HEADER.size + p.REGION_IO.size
QUICK_REQUEST = struct.Struct("<HHIIIQII")
QUICK_REPLY = struct.Struct("<HHIIIQIIQ")
CAPABILITIES = {"max_msg_fds": p.MAX_FDS, "max_data_xfer_size": p.MAX_DATA, "write_multiple": False}


class Session:
    """Owns the connected socket until close(), which calls `on_close` once."""

    def __init__(
        self,
        sock: socket.socket,
        function: PciFunction,
        device: CipuDevice,
        loop: Loop,
        on_close: Callable[[str], None],
        *,
        handshake_us: int,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._function = function
        self._device = device
        self._loop = loop
        self._on_close = on_close
        self._framer = p.Framer()
        self._negotiated = False
        self._closed = False
        self._maps: dict[int, int] = {}
        self._buffer = bytearray(p.MAX_MESSAGE)
        self._view = memoryview(self._buffer)
        self._views = [self._view]
        self._quick_reply = bytearray(QUICK_REPLY.size)
        self._handshake = loop.after(handshake_us, self._handshake_is_late)
        self._commands = {
            p.CMD_VERSION: self._version,
            p.CMD_DMA_MAP: self._dma_map,
            p.CMD_DMA_UNMAP: self._dma_unmap,
            p.CMD_GET_INFO: self._get_info,
            p.CMD_REGION_INFO: self._region_info,
            p.CMD_IRQ_INFO: self._irq_info,
            p.CMD_SET_IRQS: self._set_irqs,
            p.CMD_REGION_READ: self._region_read,
            p.CMD_REGION_WRITE: self._region_write,
            p.CMD_RESET: self._reset,
        }
        loop.watch(sock.fileno(), self.on_readable)

    def close(self, why: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._handshake.cancel()
        self._loop.forget(self._sock.fileno())
        self._framer.close()
        self._hang_up()
        self._on_close(why)

    def _hang_up(self) -> None:
        """End the connection without leaving a request unread.

        Closing a socket with unread data resets the connection, and QEMU (seen in 11.1) aborts on a
        reset. It does not abort on an orderly end.
        """
        with self._sock, contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
            while self._sock.recv(p.MAX_DATA):
                pass

    def _handshake_is_late(self) -> None:
        if not self._negotiated:
            self.close("the client sent no VERSION message in time")

    # Requests

    def on_readable(self) -> None:
        try:
            size, ancillary, _, _ = self._sock.recvmsg_into(
                self._views, p.ANCILLARY, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError as error:
            self.close(str(error))
            return
        if size == QUICK_SIZE and not ancillary and self._quick():
            return
        fds = p.descriptors(ancillary) if ancillary else []
        if not size:
            p.close_fds(fds)
            self.close("the client hung up")
            return
        try:
            self._framer.feed(self._view[:size], fds)
            while not self._closed and (message := self._framer.next()) is not None:
                self._handle(message)
        except p.ProtocolError as error:
            self._device.counters.session["protocol_errors"] += 1
            self.close(str(error))

    def _quick(self) -> bool:
        """Answer a plain read of the timestamp on a fast path; False if the request is another."""
        read_time = self._device.quick_time
        if read_time is None or not self._negotiated:
            return False
        ident, command, size, flags, _, offset, region, count = QUICK_REQUEST.unpack_from(
            self._buffer
        )
        if (
            offset != 0x28
            or command != p.CMD_REGION_READ
            or region != 0
            or count != 8
            or flags
            or size != QUICK_SIZE
            or not self._framer.idle
            or self._function.asleep
        ):
            return False
        QUICK_REPLY.pack_into(
            self._quick_reply, 0,
            ident, p.CMD_REGION_READ, QUICK_REPLY.size, p.TYPE_REPLY, 0,
            0x28, 0, 8, read_time() & TIME_MASK,
        )  # fmt: skip
        self._device.counters.quick += 1
        self._send(self._quick_reply)
        return True

    def _handle(self, message: p.Message) -> None:
        try:
            command = self._commands.get(message.command)
            if command is None:
                raise p.CommandError(errno.ENOSYS)
            if self._negotiated == (message.command == p.CMD_VERSION):
                raise p.CommandError(errno.EINVAL)
            body = command(message)
            if body is not None:
                self._reply(message, body)
        except p.CommandError as error:
            self._device.counters.session["command_errors"] += 1
            self._fail(message, error.errno)
        finally:
            message.close()

    # Replies

    def _send(self, data: bytes | bytearray) -> None:
        try:
            sent = self._sock.send(data)
        except OSError as error:
            self.close(str(error))
            return
        if sent != len(data):
            self.close("the client does not read its replies")

    def _reply(self, message: p.Message, body: bytes) -> None:
        if not message.flags & p.FLAG_NO_REPLY:
            self._send(p.reply(message.id, message.command, body))

    def _fail(self, message: p.Message, number: int) -> None:
        if not message.flags & p.FLAG_NO_REPLY:
            self._send(p.error_reply(message.id, message.command, number))

    # Commands: each returns the body of its reply, None for no reply (yet), or raises CommandError

    def _version(self, message: p.Message) -> bytes:
        if len(message.body) < p.VERSION.size:
            raise p.CommandError(errno.EINVAL)
        major, _ = p.VERSION.unpack_from(message.body)
        text = message.body[p.VERSION.size :]
        if major != 0 or not self._is_version_json(text):
            raise p.CommandError(errno.EINVAL)
        self._negotiated = True
        self._handshake.cancel()
        answer = json.dumps({"capabilities": CAPABILITIES}, separators=(",", ":")).encode() + b"\0"
        # Clients read the reply into the buffer of the request.
        return p.VERSION.pack(0, 0) + (answer if len(answer) <= len(text) else b"")

    @staticmethod
    def _is_version_json(text: bytes) -> bool:
        if not text:
            return True
        if not text.endswith(b"\0"):
            return False
        try:
            return isinstance(json.loads(text[:-1]), dict)
        except (ValueError, RecursionError):
            return False

    def _dma_map(self, message: p.Message) -> bytes:
        _, _, _, address, size = self._unpack(p.DMA_MAP, message)
        if not size or address + size > 1 << 64 or address in self._maps:
            raise p.CommandError(errno.EINVAL)
        if len(self._maps) >= MAX_DMA_MAPS:
            raise p.CommandError(errno.ENOSPC)
        # The function does no DMA, so the guest's memory is not mapped.
        self._maps[address] = size
        return b""

    def _dma_unmap(self, message: p.Message) -> bytes:
        _, flags, address, size = self._unpack(p.DMA_UNMAP, message)
        if flags & p.UNMAP_ALL:
            self._maps.clear()
        elif flags or self._maps.get(address) != size:
            raise p.CommandError(errno.EINVAL)
        else:
            del self._maps[address]
        return message.body[: p.DMA_UNMAP.size]

    def _get_info(self, message: p.Message) -> bytes:
        self._unpack(p.DEVICE_INFO, message)
        flags = p.DEVICE_RESETTABLE | p.DEVICE_PCI
        return p.DEVICE_INFO.pack(p.DEVICE_INFO.size, flags, p.REGIONS, p.IRQ_INDEXES)

    def _region_size(self, region: int) -> int:
        if region == p.CONFIG_REGION:
            return CONFIG_SIZE
        return self._function.bar_sizes.get(region, 0)

    def _region_info(self, message: p.Message) -> bytes:
        argsz, _, region, _, _, _ = self._unpack(p.REGION_INFO, message)
        if argsz < p.REGION_INFO.size or region >= p.REGIONS:
            raise p.CommandError(errno.EINVAL)
        size = self._region_size(region)
        flags = p.REGION_READABLE | p.REGION_WRITABLE if size else 0
        return p.REGION_INFO.pack(p.REGION_INFO.size, flags, region, 0, size, 0)

    def _irq_info(self, message: p.Message) -> bytes:
        argsz, _, index, _ = self._unpack(p.IRQ_INFO, message)
        if argsz < p.IRQ_INFO.size or index >= p.IRQ_INDEXES:
            raise p.CommandError(errno.EINVAL)
        vectors = self._function.options.vectors if index == p.MSIX_INDEX else 0
        flags = p.IRQ_EVENTFD | p.IRQ_NORESIZE if vectors else 0
        return p.IRQ_INFO.pack(p.IRQ_INFO.size, flags, index, vectors)

    def _set_irqs(self, message: p.Message) -> bytes:
        _, flags, index, start, count = self._unpack(p.IRQ_SET, message)
        vectors = self._function.options.vectors
        if index != p.MSIX_INDEX or start + count > vectors:
            raise p.CommandError(errno.EINVAL)
        if flags == p.SET_NONE | p.SET_TRIGGER and count == 0:
            self._function.deassign(0, vectors)
        elif flags == p.SET_EVENTFD | p.SET_TRIGGER and not message.fds:
            self._function.deassign(start, count)
        elif flags == p.SET_EVENTFD | p.SET_TRIGGER and len(message.fds) == count:
            try:
                self._function.assign(start, message.fds)
            except OSError as error:
                raise p.CommandError(errno.EINVAL) from error
            message.take_fds()
        elif flags in (p.SET_NONE | p.SET_MASK, p.SET_NONE | p.SET_UNMASK):
            pass  # The client masks and delays vectors itself.
        else:
            raise p.CommandError(errno.EINVAL)
        return b""

    def _reset(self, message: p.Message) -> bytes:
        self._function.reset("command")
        return b""

    @staticmethod
    def _unpack(layout: struct.Struct, message: p.Message) -> tuple[int, ...]:
        if len(message.body) < layout.size:
            raise p.CommandError(errno.EINVAL)
        return layout.unpack_from(message.body)

    # Reads and writes of regions

    def _region_access(self, message: p.Message) -> tuple[int, int, int]:
        offset, region, count = self._unpack(p.REGION_IO, message)
        size = self._region_size(region)
        if not 0 < count <= p.MAX_DATA or offset + count > size:
            raise p.CommandError(errno.EINVAL)
        return offset, region, count

    def _region_read(self, message: p.Message) -> bytes | None:
        offset, region, count = self._region_access(message)
        if region == 0 and not self._in_msix(region, offset):
            return self._read_registers(message, offset, count)
        if region == p.CONFIG_REGION:
            self._device.counters.config["reads"] += 1
            if self._device.faults.get("all_ones", "config"):
                data = b"\xff" * count
            else:
                data = self._function.config.read(offset, count)
        else:
            data = self._function.read_msix(offset, count)
        return p.REGION_IO.pack(offset, region, count) + data

    def _region_write(self, message: p.Message) -> bytes:
        offset, region, count = self._region_access(message)
        data = message.body[p.REGION_IO.size :]
        if len(data) != count:
            raise p.CommandError(errno.EINVAL)
        if region == p.CONFIG_REGION:
            self._device.counters.config["writes"] += 1
            if not self._device.faults.get("all_ones", "config"):
                self._function.write_config(offset, data)
        elif region == 0 and not self._in_msix(region, offset):
            register = self._device.find(offset, count)
            if register is not None:
                value = int.from_bytes(data, "little")
                self._device.counters.access("w", register.name, count, value)
                if not self._function.asleep:
                    self._device.write(register, value)
        else:
            self._function.write_msix(offset, data)
        return message.body[: p.REGION_IO.size]

    def _in_msix(self, region: int, offset: int) -> bool:
        options = self._function.options
        return (
            bool(options.vectors) and region == options.msix_bar and 0x800 <= offset < MSIX_BAR_SIZE
        )

    def _read_registers(self, message: p.Message, offset: int, count: int) -> bytes | None:
        register = self._device.find(offset, count)
        if register is None or self._function.asleep:
            return message.body[: p.REGION_IO.size] + b"\xff" * count
        hit = self._device.hit_reply(register)
        if hit is None:
            return self._register_reply(message, register, 0)
        fault, parameters = hit
        if fault == "slow_reads":
            self._answer_late(message, register, parameters)
            return None
        kind = {"lost_replies": "lost", "error_replies": "error", "short_replies": "short"}[fault]
        self._device.counters.access("r", register.name, register.width, register.mask)
        if register is TSTAMP:
            self._device.counters.timestamps[kind] += 1
        if kind == "lost":
            return None
        if kind == "error":
            self._fail(message, errno.EIO)
            return None
        half = count // 2
        return p.REGION_IO.pack(offset, 0, half) + b"\0" * half

    def _register_reply(self, message: p.Message, register: Register, delay_us: int) -> bytes:
        value = self._device.read(register)
        counters = self._device.counters
        counters.access("r", register.name, register.width, value)
        if register is TSTAMP:
            counters.timestamps[self._device.classify(value, delay_us)] += 1
            if delay_us:
                counters.timestamps["delayed"] += 1
        return message.body[: p.REGION_IO.size] + value.to_bytes(register.width, "little")

    def _answer_late(
        self, message: p.Message, register: Register, parameters: dict[str, int]
    ) -> None:
        delay_us = parameters["delay_us"]
        at_start = parameters.get("sample", "start") == "start"
        body = self._register_reply(message, register, delay_us) if at_start else None

        def answer() -> None:
            if not self._closed:
                self._reply(message, body or self._register_reply(message, register, delay_us))

        self._loop.after(delay_us, answer)
