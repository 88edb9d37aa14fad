# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between architectures of guests: QEMU's program and machine, console, bus."""

from dataclasses import dataclass

from .errors import UsageError


@dataclass(frozen=True)
class Platform:
    """One architecture of guests, by Debian's name."""

    architecture: str
    program: str
    package: str
    machine: str
    # Processor where there is no KVM.
    cpu: str
    console: str
    parameters: str
    # A function can be plugged at run time on a root port of its own, instead of on the root bus.
    root_ports: bool


AMD64 = Platform(
    architecture="amd64",
    program="qemu-system-x86_64",
    package="qemu-system-x86",
    # The old PC: its root bus can be plugged at run time, the new one's cannot.
    machine="pc",
    # Nested virtualisation only makes the guest load modules for it.
    cpu="max,svm=off,la57=off",
    console="ttyS0",
    # The TSC is the host's and the timer works, even if a busy host delivers an interrupt late.
    # Without these the guest may select a bad clocksource, or panic.
    parameters="tsc=reliable no_timer_check",
    root_ports=False,
)
ARM64 = Platform(
    architecture="arm64",
    program="qemu-system-aarch64",
    package="qemu-system-arm",
    machine="virt,gic-version=3",
    # Emulating pointer authentication in full costs a third of the speed.
    cpu="max,pauth-impdef=on",
    console="ttyAMA0",
    parameters="",
    root_ports=True,
)
PLATFORMS = {platform.architecture: platform for platform in (AMD64, ARM64)}


def platform_of(architecture: str) -> Platform:
    """The platform of an architecture by its Debian name."""
    if architecture not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        raise UsageError(f"The lab has no machine for {architecture}; it has: {known}.")
    return PLATFORMS[architecture]
