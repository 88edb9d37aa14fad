# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that can be switched on at run time: parameters, and which fault hits an access."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .counters import Counters
from .registers import BY_NAME, SYNC_BITS

MAX_COUNT = 1 << 32
MAX_DELAY_US = 60_000_000
ANY_REGISTER = "any"

# Parameter and its allowed values: a range of integers, a set of words, or a flag.
COUNT = range(1, MAX_COUNT)
DELAY = range(MAX_DELAY_US + 1)
READABLE = (*BY_NAME, ANY_REGISTER)
READ_BACK = ("gst_feat", "drv_ver", "env_ver", "dev_stat")
FLAG = "flag"
Rule = range | tuple[str, ...] | str

CONDITION: dict[str, Rule] = {"silent": FLAG, "invalid": FLAG, "duration_us": DELAY}
REPLY: dict[str, Rule] = {"count": COUNT, "register": READABLE, "skip": range(MAX_COUNT)}

PARAMETERS: dict[str, dict[str, Rule]] = {
    **dict.fromkeys(SYNC_BITS, CONDITION),
    "invalid_timestamps": {"count": COUNT, "skip": range(MAX_COUNT)},
    "reserved_bits": {},
    "slow_reads": {**REPLY, "delay_us": DELAY, "sample": ("start", "end")},
    "lost_replies": REPLY,
    "error_replies": REPLY,
    "short_replies": REPLY,
    "refuse_version": {"version": range(1 << 32)},
    "bad_readback": {"register": READ_BACK, "xor": range(1, 1 << 32), "count": COUNT},
    "slow_reset": {"settle_us": DELAY},
    "all_ones": {"config": FLAG},
    "vanish": {},
}
ONE_SHOT: dict[str, dict[str, Rule]] = {"reset": {"config": FLAG}, "return": {}}
REQUIRED = {
    "slow_reads": ("delay_us",),
    "bad_readback": ("register",),
    "slow_reset": ("settle_us",),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    # Each stops the guest for five seconds, so only one by default.
    "lost_replies": {"count": 1},
    "all_ones": {"config": True},
}
# The first one that applies hits a read, the others do not.
REPLY_ORDER = ("lost_replies", "error_replies", "short_replies", "slow_reads")


def checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a fault; ValueError with a sentence if they are wrong."""
    rules = PARAMETERS.get(name, ONE_SHOT.get(name))
    if rules is None:
        known = ", ".join(sorted([*PARAMETERS, *ONE_SHOT]))
        raise ValueError(f"there is no fault {name!r}; there are: {known}")
    for key, value in given.items():
        if key not in rules:
            takes = ", ".join(rules) or "none"
            raise ValueError(f"fault {name} takes no parameter {key!r} (it takes: {takes})")
        _check(f"{key} of fault {name}", value, rules[key])
    for key in REQUIRED.get(name, ()):
        if key not in given:
            raise ValueError(f"fault {name} needs the parameter {key}")
    return {**DEFAULTS.get(name, {}), **given}


def _check(what: str, value: Any, rule: Rule) -> None:
    if isinstance(rule, range):
        if type(value) is not int or value not in rule:
            raise ValueError(f"{what} must be an integer from {rule.start} to {rule.stop - 1}")
    elif rule == FLAG:
        if type(value) is not bool:
            raise ValueError(f"{what} must be true or false")
    elif value not in rule:
        raise ValueError(f"{what} must be one of: {', '.join(rule)}")


@dataclass
class Fault:
    """One active fault: its parameters, and how many accesses it still skips and hits."""

    parameters: dict[str, Any]
    hits: int = 0
    skip: int = field(init=False)
    left: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.skip = self.parameters.get("skip", 0)
        self.left = self.parameters.get("count")

    def describe(self) -> dict[str, Any]:
        return {**self.parameters, "left": self.left, "hits": self.hits}


class Faults:
    """The active access faults. Conditions are bits of the register sync_stat."""

    def __init__(self, counters: Counters) -> None:
        self._on: dict[str, Fault] = {}
        self._counters = counters

    def __contains__(self, name: str) -> bool:
        return name in self._on

    @property
    def any(self) -> bool:
        return bool(self._on)

    def get(self, name: str, parameter: str, default: Any = None) -> Any:
        fault = self._on.get(name)
        return default if fault is None else fault.parameters.get(parameter, default)

    def start(self, name: str, parameters: dict[str, Any]) -> None:
        self._counters.faults[name] += 1
        self._on[name] = Fault(parameters)

    def stop(self, name: str) -> None:
        self._on.pop(name, None)

    def clear(self) -> None:
        self._on.clear()

    def describe(self) -> dict[str, Any]:
        return {name: fault.describe() for name, fault in self._on.items()}

    def hit(self, name: str) -> bool:
        """Whether the fault hits this access. A fault with a count ends with its last hit."""
        fault = self._on.get(name)
        if fault is None:
            return False
        if fault.skip:
            fault.skip -= 1
            return False
        fault.hits += 1
        self._counters.fault_hits[name] += 1
        if fault.left is not None:
            fault.left -= 1
            if not fault.left:
                del self._on[name]
        return True

    def hit_reply(self, register: str) -> tuple[str, dict[str, Any]] | None:
        """The fault that hits the reply to this read and its parameters, or None."""
        for name in REPLY_ORDER:
            fault = self._on.get(name)
            if fault is None:
                continue
            if fault.parameters.get("register", "tstamp_ns") not in (register, ANY_REGISTER):
                continue
            if self.hit(name):
                return name, fault.parameters
        return None
