# SPDX-License-Identifier: GPL-3.0-or-later
"""The register map of BAR 0: names, offsets, widths, bits."""

from dataclasses import dataclass

# dev_stat
RESET, FEATURE_OK, DRIVER_OK = 0, 1, 2
STATES = ("RESET", "FEATURE_OK", "DRIVER_OK")

# dev_feat and gst_feat
FEATURE_TAI = 1 << 0
FEATURE_EPOCH = 1 << 1
FEATURE_IRQ_ABNORMAL = 1 << 2
FEATURE_IRQ_RECOVERY = 1 << 3

# sync_stat
SYNC_BITS = {
    "maintenance": 1 << 0,
    "clock_abnormal": 1 << 1,
    "busy": 1 << 4,
    "device_error": 1 << 7,
}
SYNC_RESERVED = 0xFF & ~sum(SYNC_BITS.values())

# tstamp_ns
TIME_MASK = (1 << 62) - 1
TIME_RESERVED = 1 << 62
TIME_INVALID = 1 << 63

VECTOR_THRESHOLD, VECTOR_SYNC = 0, 1


@dataclass(frozen=True)
class Register:
    """One register. It answers only accesses of exactly its own offset and width."""

    name: str
    offset: int
    width: int
    writable: bool = False
    default: int = 0

    @property
    def mask(self) -> int:
        return int((1 << (8 * self.width)) - 1)


REGISTERS = (
    Register("dev_feat", 0x00, 4, default=0x0F),
    Register("gst_feat", 0x04, 4, writable=True),
    Register("drv_ver", 0x08, 4, writable=True),
    Register("env_ver", 0x0C, 4, writable=True),
    Register("dev_stat", 0x10, 1, writable=True),
    Register("sync_stat", 0x11, 1),
    Register("tm_prec_ns", 0x14, 4, default=100),
    # Not 1970, so that a driver that ignores the epoch fails its tests.
    Register("epo_base_yr", 0x18, 4, default=2020),
    Register("leap_sec", 0x1C, 4, default=37),
    # An emulated read takes about 100 us, more on a loaded machine.
    Register("max_lat_ns", 0x20, 4, default=2_000_000),
    Register("mt_tout_us", 0x24, 4, default=5_000_000),
    Register("tstamp_ns", 0x28, 8),
    Register("thresh_us", 0x30, 4, default=500),
)
BY_NAME = {register.name: register for register in REGISTERS}
BY_OFFSET = {register.offset: register for register in REGISTERS}
TSTAMP = BY_NAME["tstamp_ns"]
REGISTERS_END = max(register.offset + register.width for register in REGISTERS)

# Written by the guest during bring-up, and cleared by every reset.
NEGOTIATED = ("gst_feat", "drv_ver", "env_ver", "dev_stat")
