# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of the lab: everything is in one cache, which `make clean` removes."""

import os
from pathlib import Path

LAB_DIR = Path(__file__).resolve().parent.parent
ROOT = LAB_DIR.parent.parent


def cache() -> Path:
    """The cache of the checkout, or the folder in CIPU_CACHE."""
    named = os.environ.get("CIPU_CACHE")
    return Path(named).resolve() if named else ROOT / ".cache"


def qemu_cache() -> Path:
    return cache() / "qemu"


def image_cache() -> Path:
    return cache() / "images"


def lab_state(name: str) -> Path:
    """Folder of the state of the lab with this name, or the folder in CIPU_LAB_STATE."""
    named = os.environ.get("CIPU_LAB_STATE")
    return Path(named).resolve() if named else cache() / "lab" / name
