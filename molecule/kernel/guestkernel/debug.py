# SPDX-License-Identifier: GPL-3.0-or-later
"""The debug kernel: linux-source with all checkers, built once for its configuration."""

import hashlib
import os
import re
from pathlib import Path

from fleet import host, paths
from fleet.build import build_once, run_logged
from fleet.errors import LabError, MissingError
from fleet.progress import Say, say

from .kernel import Kernel
from .modules import make_here

SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
FRAGMENT = Path(__file__).resolve().parent.parent / "debug.config"
_SECONDS = 3600
_NEEDS_MIB = 4000
_TOOLS = {
    "make": "make",
    "gcc": "gcc",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
}
_PACKAGES = ("linux-source-6.1", "libelf-dev")


def folder() -> Path:
    """Folder of the debug kernel for this configuration and source."""
    stamp = SOURCE.stat() if SOURCE.exists() else None
    parts = [FRAGMENT.read_text(encoding="ascii"), str(stamp.st_size if stamp else 0)]
    return (
        paths.cache()
        / "kernels"
        / f"debug-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}"
    )


def cached() -> bool:
    return folder().is_dir()


def ensure(say_line: Say = say) -> Kernel:
    """Return the debug kernel; build it first if necessary."""
    where = folder()
    if not where.is_dir():
        _require()
        build_once(where, "Debug kernel (about 7 minutes on two idle cores)", _build, say_line)
    release = (where / "release").read_text(encoding="ascii").strip()
    return Kernel(
        name="debug",
        release=release,
        image=where / "bzImage",
        make=lambda source: make_here(where / "build", source),
    )


def _require() -> None:
    missing = [package for tool, package in _TOOLS.items() if host.find(tool) is None]
    if not SOURCE.exists():
        missing += _PACKAGES
    if missing:
        raise MissingError(
            "The debug kernel cannot be built here.", f"Install: {host.apt_line(missing)}"
        )


def _build(where: Path) -> None:
    host.require_space(where, _NEEDS_MIB, "The debug kernel")
    tree = where / "build"
    tree.mkdir()
    run_logged(
        ["tar", "-xJf", str(SOURCE), "-C", str(tree), "--strip-components=1"],
        where / "unpack.log", _SECONDS, say,
    )  # fmt: skip
    make = ["nice", "make", "-s", "-C", str(tree), "KBUILD_BUILD_TIMESTAMP=1970-01-01"]
    run_logged([*make, "tinyconfig"], where / "config.log", _SECONDS, say)
    with (tree / ".config").open("a", encoding="ascii") as config:
        config.write(FRAGMENT.read_text(encoding="ascii"))
    run_logged([*make, "olddefconfig"], where / "config.log", _SECONDS, say)
    _check((tree / ".config").read_text(encoding="ascii"))
    jobs = f"-j{os.cpu_count() or 1}"
    run_logged([*make, jobs, "bzImage", "modules"], where / "build.log", _SECONDS, say)
    (tree / "arch/x86/boot/bzImage").rename(where / "bzImage")
    release = (tree / "include/config/kernel.release").read_text(encoding="ascii")
    (where / "release").write_text(release, encoding="ascii")
    _shrink(tree)


def _check(config: str) -> None:
    """Options with unmet dependencies vanish silently, and then the tests prove nothing."""
    got = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", config, re.MULTILINE))
    wanted = re.findall(r"^(CONFIG_\w+)=(.*)$", FRAGMENT.read_text(encoding="ascii"), re.MULTILINE)
    lost = [f"{name}={value}" for name, value in wanted if got.get(name, "n") != value]
    if lost:
        raise LabError(f"The kernel's configuration lost these options: {', '.join(lost)}.")


def _shrink(tree: Path) -> None:
    """Remove objects and sources of the kernel; a module build does not need them."""
    for name in (
        "Documentation",
        "drivers",
        "fs",
        "net",
        "sound",
        "vmlinux.o",
        "crypto",
        "samples",
    ):
        run_logged(["rm", "-rf", str(tree / name)], tree / "shrink.log", _SECONDS, say)
    arch = [path for path in (tree / "arch").iterdir() if path.is_dir() and path.name != "x86"]
    run_logged(["rm", "-rf", *map(str, arch)], tree / "shrink.log", _SECONDS, say)
