# SPDX-License-Identifier: GPL-3.0-or-later
"""The PCI side: configuration space with capabilities, MSI-X vectors, resets."""

import contextlib
import errno
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .protocol import close_fds

VENDOR_ID = 0x1DED
DEVICE_ID = 0x500C
SUBSYSTEM_ID = 0x1123
CLASS_SYSTEM_PERIPHERAL = 0x088000

CONFIG_SIZE = 4096
MSIX_BAR_SIZE = 4096
MSIX_TABLE, MSIX_PBA = 0x800, 0xC00

COMMAND, STATUS, BAR0, CAP_POINTER = 0x04, 0x06, 0x10, 0x34
COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER = 1, 2, 4
STATUS_CAPABILITIES = 0x10
BAR_IO, BAR_64BIT = 1, 4

PM_CAP, MSIX_CAP, EXP_CAP = 0x40, 0x50, 0x60
PM_CONTROL = PM_CAP + 4
PM_STATE_MASK = 3
D0, D3HOT = 0, 3
MSIX_CONTROL = MSIX_CAP + 2
MSIX_ENABLE, MSIX_MASK_ALL = 0x8000, 0x4000
EXP_DEVICE_CONTROL = EXP_CAP + 8
EXP_START_FLR = 0x8000

BAR_KINDS = {"memory32": 0, "memory64": BAR_64BIT, "io": BAR_IO}


@dataclass(frozen=True)
class PciOptions:
    """Layout of the function. A driver must refuse or survive all values but the defaults."""

    bar0_size: int = 4096
    bar0_kind: str = "memory32"
    vectors: int = 2
    msix_bar: int = 2

    def check(self) -> None:
        """Raise ValueError with a sentence if no PCI function can have this layout."""
        if self.bar0_kind not in BAR_KINDS:
            raise ValueError(f"a BAR must be one of {', '.join(BAR_KINDS)}, not {self.bar0_kind}")
        if self.bar0_size < 16 or self.bar0_size & (self.bar0_size - 1):
            raise ValueError("the size of BAR 0 must be a power of two of at least 16")
        if not 0 <= self.vectors <= 32:
            raise ValueError("the number of MSI-X vectors must be 0 to 32")
        if self.msix_bar not in (0, 2, 3, 4, 5):
            raise ValueError("the MSI-X table must be in BAR 0, 2, 3, 4 or 5")
        if self.msix_bar == 0 and (self.bar0_size < MSIX_BAR_SIZE or self.bar0_kind == "io"):
            raise ValueError(
                "BAR 0 cannot hold the MSI-X table: it must be memory of 4096 bytes or more"
            )

    def bar_sizes(self) -> dict[int, int]:
        sizes = {0: self.bar0_size}
        if self.vectors and self.msix_bar:
            sizes[self.msix_bar] = MSIX_BAR_SIZE
        return sizes


class ConfigSpace:
    """4096 bytes with a mask of the bits that the guest may change."""

    def __init__(self, options: PciOptions) -> None:
        self._initial = bytearray(CONFIG_SIZE)
        self._mask = bytearray(CONFIG_SIZE)
        self._build(options)
        self._data = bytearray(self._initial)

    def _put(self, where: int, layout: str, value: int, mask: int = 0) -> None:
        struct.pack_into(layout, self._initial, where, value)
        struct.pack_into(layout, self._mask, where, mask)

    def _build(self, options: PciOptions) -> None:
        self._put(0x00, "<H", VENDOR_ID)
        self._put(0x02, "<H", DEVICE_ID)
        # Memory, I/O, bus master, parity, SERR, INTx disable.
        self._put(COMMAND, "<H", 0, 0x0547)
        self._put(STATUS, "<H", STATUS_CAPABILITIES)
        self._put(0x08, "<I", CLASS_SYSTEM_PERIPHERAL << 8)
        self._put(0x0C, "<B", 0, 0xFF)
        self._put(0x2C, "<H", VENDOR_ID)
        self._put(0x2E, "<H", SUBSYSTEM_ID)
        self._put(0x3C, "<B", 0, 0xFF)
        for bar, size in options.bar_sizes().items():
            flags = BAR_KINDS[options.bar0_kind] if bar == 0 else 0
            self._put(BAR0 + 4 * bar, "<I", flags, -size & 0xFFFFFFFF)
            if flags & BAR_64BIT:
                self._put(BAR0 + 4 * bar + 4, "<I", 0, 0xFFFFFFFF)
        self._build_capabilities(options)

    def _build_capabilities(self, options: PciOptions) -> None:
        chain = [(PM_CAP, 0x01), (EXP_CAP, 0x10)]
        if options.vectors:
            chain.insert(1, (MSIX_CAP, 0x11))
        pointer = CAP_POINTER
        for where, ident in chain:
            self._put(pointer, "<B", where)
            self._put(where, "<B", ident)
            pointer = where + 1

        # Power management, version 3. D3hot to D0 is a reset: No_Soft_Reset is clear.
        self._put(PM_CAP + 2, "<H", 0x0003)
        self._put(PM_CONTROL, "<H", 0, PM_STATE_MASK)
        if options.vectors:
            self._put(MSIX_CONTROL, "<H", options.vectors - 1, MSIX_ENABLE | MSIX_MASK_ALL)
            self._put(MSIX_CAP + 4, "<I", MSIX_TABLE | options.msix_bar)
            self._put(MSIX_CAP + 8, "<I", MSIX_PBA | options.msix_bar)
        # PCI Express endpoint, version 2, with function level reset and a x1 link of 2.5 GT/s.
        self._put(EXP_CAP + 2, "<H", 0x0002)
        self._put(EXP_CAP + 4, "<I", 0x10008000)
        # The start bit of a function level reset always reads 0.
        self._put(EXP_DEVICE_CONTROL, "<H", 0x2810, 0x7FFF)
        self._put(EXP_CAP + 12, "<I", 0x00400011)
        self._put(EXP_CAP + 16, "<H", 0, 0x01FB)
        self._put(EXP_CAP + 18, "<H", 0x0011)
        self._put(EXP_CAP + 0x28, "<H", 0, 0x001F)
        self._put(EXP_CAP + 0x2C, "<I", 0x00000002)
        self._put(EXP_CAP + 0x30, "<H", 0x0001, 0x000F)

    def reset(self) -> None:
        self._data[:] = self._initial

    def read(self, where: int, count: int) -> bytes:
        return bytes(self._data[where : where + count])

    def write(self, where: int, data: bytes) -> None:
        for at, value in enumerate(data, where):
            mask = self._mask[at]
            self._data[at] = (self._data[at] & ~mask) | (value & mask)

    def word(self, where: int) -> int:
        return int.from_bytes(self._data[where : where + 2], "little")


class PciFunction:
    """Configuration space and the vectors' eventfds. Calls `on_reset` when the guest resets it."""

    def __init__(self, options: PciOptions, on_reset: Callable[[str], None]) -> None:
        options.check()
        self.options = options
        self.config = ConfigSpace(options)
        self.bar_sizes = options.bar_sizes()
        self._on_reset = on_reset
        self._eventfds: dict[int, int] = {}
        self._msix_memory = bytearray(MSIX_BAR_SIZE)

    @property
    def bus_master(self) -> bool:
        return bool(self.config.word(COMMAND) & COMMAND_MASTER)

    @property
    def asleep(self) -> bool:
        return self.config.word(PM_CONTROL) & PM_STATE_MASK != D0

    @property
    def msix_enabled(self) -> bool:
        return bool(self.options.vectors and self.config.word(MSIX_CONTROL) & MSIX_ENABLE)

    @property
    def vectors_in_use(self) -> list[int]:
        return sorted(self._eventfds)

    def write_config(self, where: int, data: bytes) -> None:
        was_asleep = self.asleep
        self.config.write(where, data)
        if self._starts_flr(where, data):
            self.reset("flr")
        elif was_asleep and not self.asleep:
            self.reset("d3")

    @staticmethod
    def _starts_flr(where: int, data: bytes) -> bool:
        high = EXP_DEVICE_CONTROL + 1 - where
        return 0 <= high < len(data) and bool(data[high] & EXP_START_FLR >> 8)

    def reset(self, cause: str) -> None:
        """Restore the state after power-on, as every kind of function reset does."""
        self.config.reset()
        self._on_reset(cause)

    # MSI-X

    def read_msix(self, where: int, count: int) -> bytes:
        return bytes(self._msix_memory[where : where + count])

    def write_msix(self, where: int, data: bytes) -> None:
        table_end = MSIX_TABLE + 16 * self.options.vectors
        for at, value in enumerate(data, where):
            if MSIX_TABLE <= at < table_end:
                self._msix_memory[at] = value

    def assign(self, start: int, fds: list[int]) -> None:
        """Take one eventfd for each vector. OSError if one is another file; then none is taken."""
        for fd in fds:
            if str(Path(f"/proc/self/fd/{fd}").readlink()) != "anon_inode:[eventfd]":
                raise OSError(errno.EINVAL, "not an eventfd")
            # A full eventfd must not block the device.
            os.set_blocking(fd, False)
        for vector, fd in enumerate(fds, start):
            self.deassign(vector, 1)
            self._eventfds[vector] = fd

    def deassign(self, start: int, count: int) -> None:
        close_fds([
            self._eventfds.pop(vector)
            for vector in range(start, start + count)
            if vector in self._eventfds
        ])  # fmt: skip

    def trigger(self, vector: int) -> str | None:
        """Raise a vector; return the reason if that is not possible."""
        if self.asleep:
            return "asleep"
        if not self.bus_master:
            return "no_bus_master"
        fd = self._eventfds.get(vector)
        if fd is None:
            return "no_eventfd"
        with contextlib.suppress(OSError):
            os.write(fd, (1).to_bytes(8, "little"))
            return None
        return "eventfd_failed"

    def disconnect(self) -> None:
        self.deassign(0, self.options.vectors)
        self.config.reset()
        self._msix_memory[:] = bytes(MSIX_BAR_SIZE)
