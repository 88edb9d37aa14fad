# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces qemu-img: a disk is an ordinary file, a snapshot is a copy beside it."""

import shutil
import sys
from pathlib import Path


def main() -> None:
    disk = Path(sys.argv[-1])
    if sys.argv[1] == "create":
        disk.touch()
        return
    assert sys.argv[1] == "snapshot"
    action = sys.argv[2]
    if action == "-l":
        print("Snapshot list:\nID  TAG  VM SIZE  DATE  VM CLOCK")
        for number, path in enumerate(sorted(disk.parent.glob(f"{disk.name}@*")), 1):
            print(f"{number}  {path.name.partition('@')[2]}  0 B  2026-11-25  0000:00:00")
        return
    saved = disk.with_name(f"{disk.name}@{sys.argv[3]}")
    if action == "-c":
        shutil.copy(disk, saved)
    elif action == "-a":
        shutil.copy(saved, disk)
    else:
        saved.unlink()


main()
