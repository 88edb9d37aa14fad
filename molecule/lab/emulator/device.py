# SPDX-License-Identifier: GPL-3.0-or-later
"""The function behind BAR 0: registers, bring-up, conditions and their interrupts."""

import time
from collections.abc import Callable
from typing import Any

from . import registers as reg
from .clock import NS_PER_SECOND, ClockModel, epoch_base_ns
from .counters import Counters
from .faults import Faults
from .registers import BY_NAME, BY_OFFSET, NEGOTIATED, Register


class CipuDevice:
    """The registers of one function. `trigger` raises a vector, or returns why it cannot."""

    def __init__(self, clock: ClockModel, trigger: Callable[[int], str | None]) -> None:
        self.clock = clock
        self.counters = Counters()
        self.faults = Faults(self.counters)
        self.values = {register.name: register.default for register in reg.REGISTERS}
        self.frozen_timestamp: int | None = None
        self.invalid_bits = 0
        self._trigger = trigger
        self._reset_settles_ns = 0
        self._stat_before_reset = reg.RESET
        self.quick_time: Callable[[], int] | None = None
        self._time: Callable[[], int] = lambda: 0
        self.refresh()

    # The clock

    def refresh(self) -> None:
        """Rebuild the timestamp path after a change of anything that timestamps depend on."""
        extra = 0
        if self.values["gst_feat"] & reg.FEATURE_EPOCH:
            extra -= epoch_base_ns(self.values["epo_base_yr"])
        if self.values["gst_feat"] & reg.FEATURE_TAI:
            extra += self.values["leap_sec"] * NS_PER_SECOND
        self._time = self.clock.reader(extra)
        plain = (
            not self.faults.any
            and self.frozen_timestamp is None
            and self.values["dev_stat"] != reg.RESET
            and not self.values["sync_stat"] & self.invalid_bits
            and not self.counters.log_timestamps
        )
        self.quick_time = self._time if plain else None

    def timestamp(self) -> int:
        """The timestamp register, with the active faults."""
        if self.frozen_timestamp is not None:
            return self.frozen_timestamp
        value = self._time() & reg.TIME_MASK
        if "reserved_bits" in self.faults:
            value |= reg.TIME_RESERVED
        # Before bring-up no epoch is negotiated, so no value has a meaning.
        invalid = self.values["dev_stat"] == reg.RESET
        invalid |= bool(self.values["sync_stat"] & self.invalid_bits)
        if self._hit("invalid_timestamps") or invalid:
            value |= reg.TIME_INVALID
        return value

    def _hit(self, fault: str) -> bool:
        if fault not in self.faults:
            return False
        hit = self.faults.hit(fault)
        if fault not in self.faults:
            self.refresh()
        return hit

    def classify(self, value: int, delay_us: int) -> str:
        """The one count that this timestamp belongs to."""
        if "all_ones" in self.faults:
            return "all_ones"
        if delay_us * 1000 > self.values["max_lat_ns"]:
            return "slow"
        return "invalid" if value & reg.TIME_INVALID else "valid"

    def hit_reply(self, register: Register) -> tuple[str, dict[str, Any]] | None:
        """The fault that hits the reply to a read of this register and its parameters, or None."""
        if not self.faults.any:
            return None
        hit = self.faults.hit_reply(register.name)
        if hit is not None and hit[0] not in self.faults:
            self.refresh()
        return hit

    # Accesses of the guest

    def find(self, offset: int, width: int) -> Register | None:
        """The register of exactly this offset and width; other accesses are counted as odd."""
        register = BY_OFFSET.get(offset)
        if register is not None and register.width == width:
            return register
        if width and offset % width:
            kind = "unaligned"
        elif register is not None or offset < reg.REGISTERS_END:
            kind = "wrong_width"
        else:
            kind = "unknown"
        self.counters.odd[kind] += 1
        return None

    def read(self, register: Register) -> int:
        """The value that a read of this register returns, before a fault of the reply hits it."""
        if self._hit("all_ones"):
            return register.mask
        name = register.name
        if name == "tstamp_ns":
            return self.timestamp()
        value = self.values[name]
        if name == "dev_stat" and value == reg.RESET and not self._reset_has_settled():
            value = self._stat_before_reset
        elif name == "sync_stat":
            self.counters.sync_read(value)
            if "reserved_bits" in self.faults:
                value |= reg.SYNC_RESERVED
        elif name == "dev_feat" and "reserved_bits" in self.faults:
            value |= 0xFFFFFFF0
        if self.faults.get("bad_readback", "register") == name:
            xor = self.faults.get("bad_readback", "xor", 1)
            if self._hit("bad_readback"):
                value = (value ^ xor) & register.mask
        return value

    def _reset_has_settled(self) -> bool:
        return time.monotonic_ns() >= self._reset_settles_ns

    def write(self, register: Register, value: int) -> None:
        if self._hit("all_ones"):
            return
        name = register.name
        if not register.writable:
            self.counters.odd["read_only"] += 1
        elif name == "dev_stat":
            self._write_dev_stat(value)
        elif self._refuses(name, value):
            self.counters.refused[name] += 1
        else:
            self.values[name] = value
            self.refresh()

    def _refuses(self, name: str, value: int) -> bool:
        # Negotiation starts when the reset has settled and ends with FEATURE_OK.
        if self.values["dev_stat"] != reg.RESET or not self._reset_has_settled():
            return True
        if name == "gst_feat":
            return bool(value & ~self.values["dev_feat"])
        return name == "drv_ver" and self._refuses_version(value)

    def _refuses_version(self, version: int) -> bool:
        if "refuse_version" not in self.faults:
            return False
        blocked = self.faults.get("refuse_version", "version")
        return blocked in (None, version) and self._hit("refuse_version")

    def _write_dev_stat(self, value: int) -> None:
        now = self.values["dev_stat"]
        if value == reg.RESET:
            self.reset("driver")
            self._reset_settles_ns = 0
            if self._hit("slow_reset"):
                settle_us = self.faults.get("slow_reset", "settle_us", 0)
                self._reset_settles_ns = time.monotonic_ns() + settle_us * 1000
                self._stat_before_reset = now
            return
        negotiated = self.values["drv_ver"] and self.values["env_ver"]
        allowed = {
            reg.FEATURE_OK: negotiated and self._reset_has_settled(),
            reg.DRIVER_OK: now in (reg.FEATURE_OK, reg.DRIVER_OK),
        }
        if allowed.get(value):
            self.values["dev_stat"] = value
            self.refresh()
        else:
            self.counters.refused["dev_stat"] += 1

    def reset(self, cause: str) -> None:
        """Clear the negotiation. Conditions, parameters and the clock continue."""
        self.counters.resets[cause] += 1
        self._reset_settles_ns = 0
        for name in NEGOTIATED:
            self.values[name] = 0
        self.refresh()

    # The hardware side

    def set_register(self, name: str, value: int | None) -> None:
        """Change a register as the hardware would, or corrupt one that only the guest writes."""
        register = BY_NAME.get(name)
        if register is None:
            raise ValueError(f"there is no register {name!r}; there are: {', '.join(BY_NAME)}")
        if name == "tstamp_ns":
            if value is not None and not 0 <= value <= register.mask:
                raise ValueError(
                    "tstamp_ns must be 0 to 0xffffffffffffffff, or null to let it run again"
                )
            self.frozen_timestamp = value
            self.refresh()
            return
        if value is None or not 0 <= value <= register.mask:
            raise ValueError(f"{name} must be 0 to {register.mask:#x}")
        if name == "sync_stat":
            self.set_sync(value)
            return
        changed = self.values[name] != value
        self.values[name] = value
        self.refresh()
        if name == "thresh_us" and changed:
            self.raise_vector(reg.VECTOR_THRESHOLD)

    def set_sync(self, value: int, silent: bool = False) -> None:
        """Change the conditions, and raise the interrupts that the driver negotiated."""
        old = self.values["sync_stat"]
        if value == old:
            return
        self.values["sync_stat"] = value
        self.refresh()
        self.counters.sync_changed(old, value)
        if silent:
            self.counters.suppressed["silent"] += 1
            return
        wanted = self.values["gst_feat"]
        appeared = value & ~old and wanted & reg.FEATURE_IRQ_ABNORMAL
        recovered = old & ~value and wanted & reg.FEATURE_IRQ_RECOVERY
        if appeared or recovered:
            self.raise_vector(reg.VECTOR_SYNC)
        else:
            self.counters.suppressed["not_negotiated"] += 1

    def raise_vector(self, vector: int) -> str | None:
        """Raise an interrupt if the function may do so; return the reason if not."""
        why = self._trigger(vector) if self.values["dev_stat"] == reg.DRIVER_OK else "not_driver_ok"
        if why is None:
            self.counters.interrupts[vector] += 1
        else:
            self.counters.suppressed[why] += 1
        return why

    def describe(self) -> dict[str, Any]:
        stat = self.values["dev_stat"]
        return {
            "registers": dict(self.values),
            "dev_stat": stat,
            "state": reg.STATES[stat] if stat < len(reg.STATES) else "unknown",
            "frozen_timestamp": self.frozen_timestamp,
        }
