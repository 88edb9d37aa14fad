# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the machines that boot kernels of amd64 and of arm64."""

from dataclasses import dataclass, field
from typing import Any

from fleet.errors import LabError


@dataclass(frozen=True)
class Guest:
    """One architecture: kernel parameters, the second serial line, and the lab's options."""

    append: str
    agent_line: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


# The log goes to the console through user space: see guest/kmsg.c.
_QUIET = "loglevel=1 panic=-1"
AMD64 = Guest(
    # On a starved host the emulated timer's interrupts arrive too late for the kernel's check.
    append=f"console=ttyS0,115200 {_QUIET} clocksource=tsc tsc=reliable no_timer_check",
    agent_line=("-device", "isa-serial,chardev=agent"),
)


def of(architecture: str) -> Guest:
    """The guest of an architecture by its Debian name."""
    if architecture == "amd64":
        return AMD64
    try:
        from fleet import platforms  # noqa: PLC0415  (only labs with other platforms have it)
    except ImportError as error:
        raise LabError(f"The lab has no machine for {architecture}.") from error
    return Guest(
        append=f"console=ttyAMA0 {_QUIET}",
        agent_line=("-serial", "chardev:agent"),
        options={"platform": platforms.platform_of(architecture)},
    )
