# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel is to the tests: an image to boot, and a way to build modules for it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kernel:
    """A bootable kernel."""

    name: str
    release: str
    image: Path
    # Builds the external module in a folder.
    make: Callable[[Path], None]
    # Modules of its own that ours need, in order.
    modules: tuple[Path, ...] = ()
