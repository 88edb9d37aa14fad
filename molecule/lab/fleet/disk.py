# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's disk: full at any free size, saved, and restored."""

import re
import subprocess

from .errors import LabError, UsageError
from .machine import DISK
from .node import Node

BALLAST = "/.lab-ballast"
_POINT = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")

# Arguments: the ballast file, the KiB to leave free. The file takes the rest of its file system.
# What the file system needs for itself changes with the file, so the last blocks are written.
FILL = r"""
set -eu
ballast=$1 wanted=$2
rm -f "$ballast"
free() { df --output=avail -k "${ballast%/*}/" | tail -n 1 | tr -d ' '; }
for _ in 1 2 3 4; do
  more=$(($(free) - wanted))
  [ "$more" -gt 0 ] || break
  size=$(stat -c %s "$ballast" 2>/dev/null || echo 0)
  fallocate -o "$size" -l "${more}K" "$ballast" 2>/dev/null || break
done
step=64
while [ "$step" -ge 4 ] && [ "$(free)" -gt "$wanted" ]; do
  if [ "$(($(free) - wanted))" -lt "$step" ] ||
    ! dd if=/dev/zero bs="${step}K" count=1 status=none 2>/dev/null >>"$ballast"; then
    step=$((step / 4))
  fi
done
free
"""


def fill(node: Node, free_kib: int = 0) -> int:
    """Fill the guest's root file system up to this free size; return the KiB that are free now."""
    if free_kib < 0:
        raise UsageError(f"A disk cannot have {free_kib} KiB free.")
    done = node.login.run("sh", "-s", BALLAST, str(free_kib), stdin=FILL)
    return int(done.stdout)


def free(node: Node) -> None:
    """Give the space back that `fill` took."""
    node.login.run("rm", "-f", BALLAST)


def save(node: Node, point: str) -> None:
    """Save the disk of a machine that is off under a name."""
    _check(node, point)
    if point in points(node):
        _run(node, "snapshot", "-d", point)
    _run(node, "snapshot", "-c", point)


def save_running(node: Node, point: str) -> None:
    """Save the disk of a running machine under a name, as a power cut would leave it now.

    It has everything that the guest has written to its disk and nothing that is only in the guest's
    memory. The guest does not notice.
    """
    _check_name(point)
    # QEMU deletes no snapshot of this name by itself, and has a lock on the image.
    if point in points(node):
        node.machine.qmp("blockdev-snapshot-delete-internal-sync", device=DISK, name=point)
    node.machine.qmp("blockdev-snapshot-internal-sync", device=DISK, name=point)


def remove(node: Node, point: str) -> None:
    """Remove a saved disk of a machine that is off."""
    _check(node, point)
    _run(node, "snapshot", "-d", point)


def restore(node: Node, point: str) -> None:
    """Give a machine that is off the disk that was saved under this name."""
    _check(node, point)
    known = points(node)
    if point not in known:
        raise UsageError(
            f"The disk of {node.name} was not saved as {point}.",
            f"Saved are: {', '.join(known) or 'none'}. Save one: lab disk {node.name} save POINT",
        )
    _run(node, "snapshot", "-a", point)


def points(node: Node) -> list[str]:
    """Names under which the disk was saved, oldest first."""
    # ID, TAG, then sizes and times; the two lines before them are titles.
    lines = _run(node, "snapshot", "-l", "-U").splitlines()
    return [line.split()[1] for line in lines if line[:1].isdigit()]


def problems(node: Node) -> str:
    """What qemu-img finds wrong with the image of a machine that is off; empty if nothing."""
    done = _qemu_img(node, ["check", "-q", str(node.overlay)])
    # 3: clusters that nothing uses, which only cost space.
    return "" if done.returncode in (0, 3) else (done.stdout + done.stderr).strip()


def _check_name(point: str) -> None:
    if not _POINT.fullmatch(point):
        raise UsageError(f"{point!r} is no name for a saved disk: a-z, 0-9, '.', '_' and '-' only.")


def _check(node: Node, point: str) -> None:
    _check_name(point)
    if node.machine.running:
        raise LabError(
            f"{node.name} is running.", f"Turn it off first: lab power {node.name} shutdown"
        )


def _run(node: Node, *words: str) -> str:
    done = _qemu_img(node, [*words, str(node.overlay)])
    if done.returncode:
        raise LabError(
            f"qemu-img {words[0]} failed on the disk of {node.name}.", done.stderr.strip()
        )
    return done.stdout


def _qemu_img(node: Node, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*node.qemu.image, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=node.qemu.environment(),
        check=False,
    )
