# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the driver and the test aid for a kernel, in a folder of their own."""

import os
import shutil
from pathlib import Path

from fleet import paths
from fleet.build import run_logged
from fleet.progress import silent

from .initramfs import GUEST
from .kernel import Kernel

# File of the driver -> replacements in it (old text, new text).
Edit = dict[str, list[tuple[str, str]]]
DRIVER = paths.ROOT / "driver"
_SECONDS = 600


def driver_sources() -> list[Path]:
    return [*sorted(DRIVER.glob("*.[ch]")), DRIVER / "Kbuild"]


def aid_sources() -> list[Path]:
    headers = [path for path in driver_sources() if path.suffix == ".h"]
    return [*sorted((GUEST / "poke").iterdir()), *headers]


def copy(sources: list[Path], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sources:
        target = folder / path.name
        # make compiles only files with a new time stamp.
        if not target.exists() or target.read_bytes() != path.read_bytes():
            shutil.copy(path, target)
    return folder


def driver(kernel: Kernel, folder: Path, edit: Edit | None = None) -> Path:
    """Build ptp_cipu.ko. `edit` changes its source first, to plant a fault."""
    copy(driver_sources(), folder)
    for name, changes in (edit or {}).items():
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{name} does not contain exactly once: {old}")
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")
    kernel.make(folder)
    return folder / "ptp_cipu.ko"


def aid(kernel: Kernel, folder: Path) -> Path:
    """Build cipu_poke.ko."""
    kernel.make(copy(aid_sources(), folder))
    return folder / "cipu_poke.ko"


def bare_clock(kernel: Kernel, folder: Path) -> Path:
    """Build bare_clock.ko."""
    kernel.make(copy(sorted((GUEST / "bare").iterdir()), folder))
    return folder / "bare_clock.ko"


def make_here(tree: Path, source: Path) -> None:
    """Build a module with the compiler of this host."""
    command = ["make", "-C", str(tree), f"M={source}", f"-j{os.cpu_count() or 1}", "modules"]
    run_logged(command, source / "make.log", _SECONDS, silent)
