# SPDX-License-Identifier: GPL-3.0-or-later
"""Unplug a function from a running machine, and plug it in again.

QEMU (seen in 11.1) aborts when it frees a vfio-user device that has MSI-X: it removes the table's
region from a BAR that is freed already. A device is not freed while something refers to it, and the
only reference that can be set from outside is that of a graphic console. So a machine has display
adapters, without a display, whose consoles each keep one unplugged device from being freed.
The guest sees a real unplug, by ACPI or on its PCI Express port.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import qmp
from .control import Control
from .errors import LabError, TimeoutExpiredError
from .waiting import until

_KEEPER = "keeper"
_KEEPERS = 4
_CONSOLES = 16
_SLOT = 0x1F

MOST_UNPLUGS = _KEEPERS * _CONSOLES

Running = Callable[[], bool]


def arguments() -> list[str]:
    """QEMU's options that make functions unpluggable."""
    options: list[str] = []
    for index in range(_KEEPERS):
        place = f"addr={_SLOT:x}.{index}" + (",multifunction=on" if index == 0 else "")
        name = f"id={_KEEPER}{index}"
        options += ["-device", f"virtio-gpu-pci,{name},max_outputs={_CONSOLES},{place}"]
    return options


def unplug(monitor: Path, device: str, control: Path, seconds: float) -> None:
    """Ask the guest to release the device and wait until it has."""
    # A console is assigned already if the guest did not follow an earlier request in time.
    console, holds = _free_console(monitor, device)
    if not holds:
        keep = {"path": console, "property": "device", "value": _path(device)}
        qmp.command(monitor, "qom-set", **keep)
    qmp.command(monitor, "device_del", id=device)
    try:
        until(lambda: not _there(monitor, device), seconds, "unplug", pace=0.1)
    except TimeoutExpiredError as error:
        raise TimeoutExpiredError(
            f"The guest did not release {device} within {seconds:.0f} s."
        ) from error
    # QEMU keeps the connection with the device, but an unplugged device has no connection.
    Control(control).fault("vanish")


def plug(monitor: Path, device: dict[str, Any], control: Path) -> None:
    """Plug a device in. QEMU connects to its emulator again."""
    name = str(device["id"])
    if _there(monitor, name):
        raise LabError(f"{name} is plugged in already.")
    Control(control).fault("return")
    qmp.command(monitor, "device_add", **device)


def _path(device: str) -> str:
    return f"/machine/peripheral/{device}"


def _there(monitor: Path, device: str) -> bool:
    return any(entry["name"] == device for entry in _list(monitor, "/machine/peripheral"))


def _list(monitor: Path, path: str) -> list[dict[str, Any]]:
    found = qmp.command(monitor, "qom-list", path=path)
    assert isinstance(found, list)
    return found


def _free_console(monitor: Path, device: str) -> tuple[str, bool]:
    """A console that refers to its own adapter still, or the one that refers to this device."""
    free = ""
    for entry in _list(monitor, "/backend"):
        if not entry["name"].startswith("console["):
            continue
        console = f"/backend/{entry['name']}"
        held = qmp.command(monitor, "qom-get", path=console, property="device")
        if held == _path(device):
            return console, True
        if str(held).startswith(_path(_KEEPER)):
            free = console
    if not free:
        raise LabError(
            f"Functions of this machine were unplugged {MOST_UNPLUGS} times, which is the maximum.",
            "Restart the machine with `lab reboot`.",
        )
    return free, False
