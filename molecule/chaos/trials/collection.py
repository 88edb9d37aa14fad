# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the chaos scenario expects of the collection: playbook, variables, files."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
ROLLOUT = "cipu.clock.rollout"
# The limits that an emulated machine can meet, and how the driver is built.
LIMITS = ROOT / "molecule/shared/group_vars/clocks.yml"
# A version older than every released driver.
OLD_VERSION = "0.0.1"
MODULE = "ptp_cipu"
# Folders that decide what a rollout does.
_CONTENT = ("driver", "native", "playbooks", "plugins", "roles")

_VERSION_LINES = {
    "dkms.conf": (r"(?m)^PACKAGE_VERSION=.*$", f'PACKAGE_VERSION="{OLD_VERSION}"'),
    "cipu_main.c": (r"(?m)^MODULE_VERSION\(.*$", f'MODULE_VERSION("{OLD_VERSION}");'),
}


def variables(cache: Path, image: str) -> dict[str, Any]:
    """Variables of every rollout: the driver is built once, and its archive is kept.

    Each image has its own folder, so that only the rollouts of its host add archives to it.
    """
    return {"cipu_driver_build": "once", "cipu_driver_cache_path": str(cache / "driver" / image)}


def archives(used: dict[str, Any]) -> set[Path]:
    """Files of the cache that these variables name."""
    return {path for path in Path(used["cipu_driver_cache_path"]).rglob("*") if path.is_file()}


def fingerprint() -> str:
    """Changes with every file that decides what a rollout does."""
    digest = hashlib.sha256()
    for folder in _CONTENT:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def old_driver(folder: Path) -> dict[str, Any]:
    """Make a driver of an older version; return the variables that roll it out."""
    source = folder / f"driver-{OLD_VERSION}"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "driver", source, ignore=shutil.ignore_patterns("tests", ".*", "*.o"))
    for name, (pattern, line) in _VERSION_LINES.items():
        text, found = re.subn(pattern, line, (source / name).read_text(encoding="utf-8"))
        if found != 1:
            raise ValueError(f"driver/{name} has {found} lines with a version, not 1")
        (source / name).write_text(text, encoding="utf-8")
    return {"cipu_driver_version": OLD_VERSION, "cipu_driver_source": str(source)}
