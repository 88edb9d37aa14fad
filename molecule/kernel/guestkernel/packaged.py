# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own kernels, unpacked beside the headers of the build matrix."""

import lzma
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fleet import paths
from fleet.build import build_once, tail
from fleet.errors import LabError
from fleet.progress import Say, say

from .kernel import Kernel

sys.path.append(str(paths.ROOT / "driver/tests"))

import trees

__all__ = ["ensure", "find", "make_there", "trees"]

_SECONDS = 900
# Modules of the PTP core in load order, from any of the kernel's packages.
_MODULES = ("pps_core", "ptp")


def find(series: str, say_line: Say = say, architecture: str = "amd64") -> tuple[trees.Tree, str]:
    """Return the newest kernel of a series in the build matrix, and the tree with its headers."""
    found = [
        (tree, release)
        for tree in trees.ensure(say_line)
        for release in tree.releases()
        if release.startswith(f"{series}.") and trees.architecture(release) == architecture
    ]
    if not found:
        raise LabError(f"The package archive has no kernel {series} for {architecture}.")
    return max(found, key=lambda pair: trees.version_key(pair[1]))


def ensure(name: str, say_line: Say = say) -> Kernel:
    """Return the newest kernel of a series, such as "6.1" or "7", or "6.12-arm64"."""
    series, _, architecture = name.partition("-")
    tree, release = find(series, say_line, architecture or "amd64")
    target = paths.cache() / "kernels" / f"packaged-{release}"
    where = build_once(
        target, f"Kernel {release}", lambda folder: _fetch(tree, release, folder), say_line
    )
    return Kernel(
        name=name,
        release=release,
        image=where / "vmlinuz",
        make=lambda source: make_there(tree, release, source),
        modules=tuple(path for part in _MODULES if (path := where / f"{part}.ko").exists()),
        **(_foreign(tree, architecture, where) if architecture else {}),
    )


def _foreign(tree: trees.Tree, architecture: str, where: Path) -> dict[str, Any]:
    """Fields of a kernel of another architecture than this machine's."""

    def compile_there(arguments: Sequence[str], folder: Path) -> None:
        command = f"{trees.CROSS}gcc {' '.join(arguments)}"
        done = trees.run(tree, folder, command, _SECONDS)
        if done.returncode:
            raise LabError(f"{command} failed.", done.stderr)

    return {
        "architecture": architecture,
        "busybox": where / "busybox",
        "compile": compile_there,
    }


def make_there(tree: trees.Tree, release: str, source: Path) -> None:
    """Build a module with the tree's compiler and kbuild."""
    log = source / "make.log"
    make = f"{trees.make_words(release)} -C /lib/modules/{release}/build M=/build modules"
    done = trees.run(tree, source, make, _SECONDS)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        raise LabError(f"The module for {release} does not build.", tail(log))


def _fetch(tree: trees.Tree, release: str, folder: Path) -> None:
    """Fetch the kernel, its PTP core and a busybox. Newer kernels come in several packages."""
    architecture = trees.architecture(release)
    with tempfile.TemporaryDirectory(prefix="kernel-") as name:
        work = Path(name)
        names = f"linux-(image|binary|modules)-{re.escape(release)}"
        script = (
            f'apt-cache pkgnames linux- | grep -xE "{names}" > names && '
            f'echo busybox-static >> names && sed -i "s/$/:{architecture}/" names && '
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
            raise LabError(f"The packages of kernel {release} contain no kernel.")
        shutil.copy(images[0], folder / "vmlinuz")
        shutil.copy(next(path for path in root.glob("**/bin/busybox")), folder / "busybox")
        for module in _MODULES:
            for path in root.rglob(f"{module}.ko*"):
                data = path.read_bytes()
                # Debian compresses modules with xz, if at all.
                if path.suffix == ".xz":
                    data = lzma.decompress(data)
                (folder / f"{module}.ko").write_bytes(data)
