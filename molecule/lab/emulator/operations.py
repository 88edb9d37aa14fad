# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the control socket. Each returns a reply or raises ValueError with a sentence."""

import json
import time
from typing import Any

from . import faults as f
from .clock import PPT_PER_PPB, Segment
from .counters import LOG_KEPT
from .function import Function
from .loop import Timer
from .registers import SYNC_BITS
from .sockets import SocketError

Request = dict[str, Any]
Reply = dict[str, Any]
MAX_NS = 1 << 63
MAX_DRIFT_PPB = 1_000_000_000
MAX_TRUTHS = 4096


def take(request: Request, key: str, kind: type, default: Any = None) -> Any:
    """One value of the request, of exactly this type (a bool is not an int), or the default."""
    value = request.pop(key, None)
    if value is None:
        return default
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{key} must be {_called(kind)}")
    return value


def _called(kind: type) -> str:
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}
    return names.get(kind, kind.__name__)


def take_ns(request: Request, key: str, default: int | None = None) -> int | None:
    value: int | None = take(request, key, int, default)
    if value is not None and not -MAX_NS <= value < MAX_NS:
        raise ValueError(f"{key} must fit into 64 bits")
    return value


def describe_clock(segment: Segment) -> Reply:
    return {
        "offset_ns": segment.offset_ns,
        "drift_ppb": segment.drift_ppt / PPT_PER_PPB,
        "noise_ns": segment.noise_ns,
        "anchor_ns": segment.anchor_ns,
    }


class Operations:
    def __init__(self, function: Function) -> None:
        self._function = function
        self._device = function.device
        self._ends: dict[str, Timer] = {}
        self._operations = {
            "status": self._status,
            "counts": self._counts,
            "log": self._log,
            "set": self._set,
            "clock": self._clock,
            "truth": self._truth,
            "fault": self._fault,
            "interrupt": self._interrupt,
            "clear": self._clear,
        }

    def run_line(self, line: bytes) -> Reply:
        try:
            return {"ok": True, **self._run(self._parse(line))}
        except (ValueError, SocketError) as error:
            return {"ok": False, "error": str(error)}

    @staticmethod
    def _parse(line: bytes) -> Request:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"this line is not JSON: {error}") from error
        if not isinstance(request, dict):
            raise ValueError("a request is a JSON object")
        return request

    def _run(self, request: Request) -> Reply:
        name = take(request, "op", str)
        operation = self._operations.get(name)
        if operation is None:
            raise ValueError(f"there is no op {name!r}; there are: {', '.join(self._operations)}")
        return operation(request)

    @staticmethod
    def _done(request: Request) -> None:
        if request:
            raise ValueError(f"unknown parameter: {', '.join(sorted(request))}")

    def _status(self, request: Request) -> Reply:
        self._done(request)
        function = self._function
        sync = self._device.values["sync_stat"]
        conditions: Reply = {
            name: {"invalid": bool(self._device.invalid_bits & bit)}
            for name, bit in SYNC_BITS.items()
            if sync & bit
        }
        return {
            "name": function.name,
            "connected": function.connected,
            "listening": function.listening,
            "last_disconnect": function.last_disconnect,
            **self._device.describe(),
            "conditions": list(conditions),
            "faults": {**conditions, **self._device.faults.describe()},
            "bus_master": function.pci.bus_master,
            "power_state": "D3" if function.pci.asleep else "D0",
            "msix": {"enabled": function.pci.msix_enabled, "vectors": function.pci.vectors_in_use},
            "clock": describe_clock(self._device.clock.now),
        }

    def _counts(self, request: Request) -> Reply:
        reset = take(request, "reset", bool, False)
        self._done(request)
        snapshot = self._device.counters.snapshot()
        if reset:
            self._device.counters.clear()
        return snapshot

    def _log(self, request: Request) -> Reply:
        limit = take(request, "limit", int, 100)
        stamps = take(request, "timestamps", bool)
        clear = take(request, "clear", bool, False)
        self._done(request)
        if not 0 <= limit <= LOG_KEPT:
            raise ValueError(f"limit must be 0 to {LOG_KEPT}")
        counters = self._device.counters
        entries = list(counters.log)[-limit:] if limit else []
        if stamps is not None:
            counters.log_timestamps = stamps
            self._device.refresh()
        if clear:
            counters.log.clear()
        return {"log": entries, "timestamps": counters.log_timestamps}

    def _set(self, request: Request) -> Reply:
        name = take(request, "register", str)
        if name is None or "value" not in request:
            raise ValueError("set needs register and value")
        value = take(request, "value", int)
        self._done(request)
        self._device.set_register(name, value)
        return {"register": name, "value": value}

    # The clock

    def _clock(self, request: Request) -> Reply:
        offset = take_ns(request, "offset_ns")
        drift = take(request, "drift_ppb", float)
        noise = take_ns(request, "noise_ns")
        step = take_ns(request, "step_ns", 0)
        self._done(request)
        if drift is not None and not abs(drift) <= MAX_DRIFT_PPB:
            raise ValueError(f"drift_ppb must be -{MAX_DRIFT_PPB} to {MAX_DRIFT_PPB}")
        if noise is not None and noise < 0:
            raise ValueError("noise_ns must not be negative")
        segment = self._device.clock.change(offset, drift, noise, step or 0)
        self._device.refresh()
        return {"clock": describe_clock(segment)}

    def _truth(self, request: Request) -> Reply:
        """The clock's error at times of the host's CLOCK_REALTIME, by default now."""
        at = request.pop("at_ns", None)
        self._done(request)
        many = at if isinstance(at, list) else [time.time_ns() if at is None else at]
        if len(many) > MAX_TRUTHS:
            raise ValueError(f"at_ns may have at most {MAX_TRUTHS} times")
        if not all(type(one) is int and -MAX_NS <= one < MAX_NS for one in many):
            raise ValueError("at_ns must be a 64-bit integer or a list of 64-bit integers")
        truths = []
        for one in many:
            segment = self._device.clock.segment_at(one)
            truths.append(
                {"at_ns": one, "offset_ns": segment.error_at(one), "noise_ns": segment.noise_ns}
            )
        return {"truth": truths} if isinstance(at, list) else truths[0]

    # Faults

    def _fault(self, request: Request) -> Reply:
        name = take(request, "name", str)
        if name is None:
            raise ValueError("fault needs a name")
        on = take(request, "on", bool, True)
        if not on and name in f.PARAMETERS:
            request = {}
        parameters = f.checked(name, request)
        if name in SYNC_BITS:
            self._condition(name, on, parameters)
        elif name == "return" or (name == "vanish" and not on):
            self._function.appear()
        elif name == "vanish":
            self._count(name)
            self._function.vanish()
        elif name == "reset":
            self._count(name)
            self._power_loss(parameters.get("config", False))
        elif on:
            self._device.faults.start(name, parameters)
            self._device.refresh()
        else:
            self._device.faults.stop(name)
            self._device.refresh()
        return {"fault": name, "on": on}

    def _count(self, name: str) -> None:
        self._device.counters.faults[name] += 1

    def _condition(self, name: str, on: bool, parameters: Request) -> None:
        device, bit = self._device, SYNC_BITS[name]
        timer = self._ends.pop(name, None)
        if timer is not None:
            timer.cancel()
        device.invalid_bits &= ~bit
        if on and parameters.get("invalid"):
            device.invalid_bits |= bit
        if on:
            self._count(name)
        sync = device.values["sync_stat"]
        device.refresh()
        device.set_sync(sync | bit if on else sync & ~bit, parameters.get("silent", False))
        if on and "duration_us" in parameters:
            self._ends[name] = self._function.loop.after(
                parameters["duration_us"], lambda: self._condition(name, False, {})
            )

    def _power_loss(self, config_too: bool) -> None:
        if config_too:
            self._function.pci.reset("power")
        else:
            self._device.reset("power")

    def _interrupt(self, request: Request) -> Reply:
        """Raise a vector `count` times without a reason."""
        vector = take(request, "vector", int, 1)
        count = take(request, "count", int, 1)
        self._done(request)
        if not 0 <= vector < self._function.pci.options.vectors:
            raise ValueError(f"there is no vector {vector}")
        if not 1 <= count <= 100_000:
            raise ValueError("count must be 1 to 100000")
        raised = sum(self._device.raise_vector(vector) is None for _ in range(count))
        return {"raised": raised}

    def _clear(self, request: Request) -> Reply:
        self._done(request)
        for timer in self._ends.values():
            timer.cancel()
        self._ends.clear()
        device = self._device
        device.faults.clear()
        device.invalid_bits = 0
        device.frozen_timestamp = None
        device.refresh()
        device.set_sync(0)
        self._function.appear()
        return {}
