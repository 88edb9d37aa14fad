# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian tree from which the EL-like host is made: systemd, dnf, DKMS, chrony and headers."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "molecule/lab"), str(ROOT / "driver/tests")]

import trees  # noqa: E402  (found by the line above)

WANTED = trees.Wanted(
    "bookworm",
    (r"6\.1\.",),
    flavours=("amd64",),
    programs=(
        *("systemd-sysv", "dbus", "udev", "kmod", "iproute2", "openssl"),
        *("python3", "python3-dnf", "dnf", "rpm", "createrepo-c"),
        # Their files are packed as .rpm packages.
        *("chrony", "dkms"),
    ),
    purpose="el",
)


def ensure() -> Path:
    """The root of the tree, built first if necessary."""
    (tree,) = trees.ensure(all_of=(WANTED,))
    return tree.root


if __name__ == "__main__":
    print(ensure())
