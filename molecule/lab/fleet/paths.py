# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps what it makes: one cache, that `make clean` removes."""

import os
from pathlib import Path

LAB_DIR = Path(__file__).resolve().parent.parent
ROOT = LAB_DIR.parent.parent


def cache() -> Path:
    """The cache of the checkout, or the one that CIPU_CACHE names."""
    named = os.environ.get("CIPU_CACHE")
    return Path(named).resolve() if named else ROOT / ".cache"


def qemu_cache() -> Path:
    return cache() / "qemu"


def image_cache() -> Path:
    return cache() / "images"


def lab_state(name: str) -> Path:
    """State of the lab of this name; CIPU_LAB_STATE names the folder outright."""
    named = os.environ.get("CIPU_LAB_STATE")
    return Path(named).resolve() if named else cache() / "lab" / name
