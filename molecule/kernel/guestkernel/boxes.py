# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that the driver's tests share: its functions, and how they become healthy again."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import initramfs, modules
from .box import Box, Part, running
from .kernel import Kernel
from .modules import Edit

# On a loaded host an emulated read takes milliseconds. Only the tests of latency may notice.
MAX_LAT_NS = 1_000_000_000
_EASY = ("--set", f"max_lat_ns={MAX_LAT_NS}")
NEXT = ("next-kernel", "next-initrd")
PRIMARY, REFERENCE = "cipu0", "ref0"
PARTS = (
    Part(PRIMARY, _EASY),
    Part(REFERENCE, _EASY),
    Part("short", ("--bar0-size", "32")),
    Part("iobar", ("--bar0-kind", "io", "--bar0-size", "64")),
    Part("onevec", (*_EASY, "--vectors", "1")),
)
REGISTERS = {
    "dev_feat": 0x0F,
    "tm_prec_ns": 100,
    "epo_base_yr": 2020,
    "leap_sec": 37,
    "max_lat_ns": MAX_LAT_NS,
    "mt_tout_us": 5_000_000,
    "thresh_us": 500,
}


@contextlib.contextmanager
def booted(
    kernel: Kernel,
    folder: Path,
    parts: Sequence[Part] = PARTS,
    *,
    variants: dict[str, Edit] | None = None,
    programs: Sequence[Path] = (),
    memory: int = 768,
    next_kernel: bool = False,
) -> Iterator[Box]:
    """A machine with the driver in /root, and variants of it under other names.

    With `next_kernel` the same kernel and initramfs are there too, as NEXT.
    """
    folder.mkdir(parents=True)
    ours = [modules.driver(kernel, folder / "driver"), modules.aid(kernel, folder / "aid")]
    for name, edit in (variants or {}).items():
        built = modules.driver(kernel, folder / "variants", edit)
        ours.append(built.rename(built.with_name(f"{name}.ko")))
    guest = [*initramfs.compile_guest(folder, kernel), *programs]
    initrd = initramfs.make(folder / "initrd", kernel, guest, ours)
    if next_kernel:
        image, same = folder / NEXT[0], folder / NEXT[1]
        shutil.copy(kernel.image, image)
        initrd.rename(same)
        initrd = initramfs.make(initrd, kernel, guest, [*ours, image, same])
    with running(kernel, initrd, parts, folder / "vm", memory=memory) as box:
        yield box


def heal(box: Box, name: str = PRIMARY) -> None:
    """Make the function healthy, reset its registers, and bind a driver that counts from zero."""
    control = box.controls[name]
    box.run("touch /tmp/stop")
    control.clear()
    for register, value in REGISTERS.items():
        control.set(register, value)
    control.request("clock", offset_ns=0, drift_ppb=0, noise_ns=0)
    if box.run(f"test -e {box.device(name)}")[0]:
        box.machine.plug(name)
        box.wait(lambda: box.bound(name), 60, f"{name} is back")
    if box.run("test -e /sys/module/ptp_cipu")[0]:
        box.load()
    box.rebind(name)
    box.run("rm -f /tmp/stop")
    assert box.bound(name), box.machine.console()
    control.counts(reset=True)
