# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own kernels, unpacked beside the headers that the build matrix keeps."""

import lzma
import re
import shutil
import sys
import tempfile
from pathlib import Path

from fleet import paths
from fleet.build import build_once, tail
from fleet.errors import LabError
from fleet.progress import Say, say

from .kernel import Kernel

sys.path.append(str(paths.ROOT / "driver/tests"))

import trees

__all__ = ["ensure", "find", "make_there", "trees"]

_SECONDS = 900
# In whichever package they lie, and in this order.
_MODULES = ("pps_core", "ptp")


def find(series: str, say_line: Say = say) -> tuple[trees.Tree, str]:
    """The newest kernel of a series that the matrix has headers for, and the tree with them."""
    found = [
        (tree, release)
        for tree in trees.ensure(say_line)
        for release in tree.releases()
        if release.startswith(f"{series}.")
    ]
    if not found:
        raise LabError(f"The archive has no kernel {series} for us.")
    return max(found, key=lambda pair: trees.version_key(pair[1]))


def ensure(series: str, say_line: Say = say) -> Kernel:
    """The newest kernel of a series, such as "6.1" or "7"."""
    tree, release = find(series, say_line)
    target = paths.cache() / "kernels" / f"packaged-{release}"
    where = build_once(
        target, f"Kernel {release}", lambda folder: _fetch(tree, release, folder), say_line
    )
    return Kernel(
        name=series,
        release=release,
        image=where / "vmlinuz",
        make=lambda source: make_there(tree, release, source),
        modules=tuple(path for name in _MODULES if (path := where / f"{name}.ko").exists()),
    )


def make_there(tree: trees.Tree, release: str, source: Path) -> None:
    """Build a module with the tree's compiler and kbuild."""
    log = source / "make.log"
    done = trees.run(
        tree, source, f"{trees.MAKE} -C /lib/modules/{release}/build M=/build modules", _SECONDS
    )
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        raise LabError(f"No module for {release}.", tail(log))


def _fetch(tree: trees.Tree, release: str, folder: Path) -> None:
    """The kernel and its PTP core. Newer kernels come in several packages."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as name:
        work = Path(name)
        names = f"linux-(image|binary|modules)-{re.escape(release)}"
        script = (
            f'apt-cache pkgnames linux- | grep -xE "{names}" > names && '
            "apt-get -qq -o APT::Sandbox::User=root download $(cat names) && mkdir x && "
            "for deb in *.deb; do dpkg-deb -x $deb x || exit 1; done && chmod -R u+rwX,go+rX x"
        )
        done = trees.run(tree, work, script, _SECONDS)
        if done.returncode:
            raise LabError(f"Kernel {release} cannot be fetched.", done.stderr[-2000:])
        root = work / "x"
        images = [*root.glob("boot/vmlinuz-*"), *root.glob("usr/lib/modules/*/vmlinuz")]
        images += root.glob("lib/modules/*/vmlinuz")
        if not images:
            raise LabError(f"The packages of kernel {release} hold no kernel.")
        shutil.copy(images[0], folder / "vmlinuz")
        for module in _MODULES:
            for path in root.rglob(f"{module}.ko*"):
                data = path.read_bytes()
                # Debian packs modules with xz, where it packs them.
                if path.suffix == ".xz":
                    data = lzma.decompress(data)
                (folder / f"{module}.ko").write_bytes(data)
