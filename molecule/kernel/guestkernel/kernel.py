# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel for the tests: an image to boot, and the way to build modules and programs for it."""

from collections.abc import Callable, Sequence
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
    # The kernel's own modules that the driver needs, in order.
    modules: tuple[Path, ...] = ()
    # Debian's name.
    architecture: str = "amd64"
    # Static, of this architecture.
    busybox: Path = Path("/bin/busybox")
    # Runs a C compiler with these arguments in a folder, where all its files are; None is the
    # host's gcc.
    compile: Callable[[Sequence[str], Path], None] | None = None
