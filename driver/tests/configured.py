# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of `make matrix-all`: PREEMPT_RT packages, clang, and configurations without a package.

The latter are prepared from the newest linux-source: a small kernel with one debugging, hardening
or preemption option each. They are not built, so modpost has no list of the kernel's symbols.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import builds
import trees
from fleet import host, paths
from fleet.build import build_once, tail
from fleet.errors import LabError
from fleet.progress import say

_SECONDS = 1800
_NEEDS_MIB = 3000
_CLANG = "LLVM=1 CC=clang"
# What the driver needs, on top of tinyconfig.
_BASE = """
CONFIG_64BIT=y
CONFIG_SMP=y
CONFIG_PRINTK=y
CONFIG_PCI=y
CONFIG_PCI_MSI=y
CONFIG_SYSFS=y
CONFIG_MULTIUSER=y
CONFIG_POSIX_TIMERS=y
CONFIG_PM=y
CONFIG_SUSPEND=y
CONFIG_NET=y
CONFIG_MODULES=y
CONFIG_MODULE_UNLOAD=y
CONFIG_PTP_1588_CLOCK=y
CONFIG_DEBUG_KERNEL=y
"""
# clang warns about the kernel's own headers, in particular with W=1, and counts its warnings.
_HEADERS = ("/usr/src/linux-headers-", "/source/include/", "/source/arch/", " generated.")
# No Module.symvers without a built kernel, so modpost cannot resolve symbols and reports that.
_UNRESOLVED = ("Module.symvers", "undefined!", "unresolved symbol", "KBUILD_MODPOST_WARN=1")
# clang with its own names for options of gcc, which a kernel configured for gcc selects.
_CLANG_FOR_GCC = """#!/bin/bash
arguments=()
for argument; do
  case $argument in
    -fmin-function-alignment=*|-fconserve-stack|-mrecord-mcount|-mindirect-branch-register) ;;
    -mindirect-branch=thunk-extern) arguments+=(-mretpoline-external-thunk) ;;
    -mpreferred-stack-boundary=3) arguments+=(-mstack-alignment=8) ;;
    -fsanitize=bounds-strict) arguments+=(-fsanitize=array-bounds) ;;
    *) arguments+=("$argument") ;;
  esac
done
exec clang "${arguments[@]}" -Wno-unknown-warning-option
"""


@dataclass(frozen=True)
class Configuration:
    """One kernel to prepare: its name, compiler and options beside the base."""

    name: str
    make: str
    options: str
    # Each of these lines has to be in the configuration that results.
    effect: tuple[str, ...]


CONFIGURATIONS = (
    Configuration(
        "KASAN",
        "make",
        # KASAN is not available with the allocator of tinyconfig.
        "CONFIG_SLUB_TINY=n\nCONFIG_KASAN=y\nCONFIG_KASAN_GENERIC=y\n"
        "CONFIG_PROVE_LOCKING=y\nCONFIG_UBSAN=y\n",
        ("CONFIG_KASAN=y", "CONFIG_PROVE_LOCKING=y"),
    ),
    Configuration(
        "PREEMPT_RT",
        "make",
        "CONFIG_EXPERT=y\nCONFIG_PREEMPT_RT=y\nCONFIG_DEBUG_ATOMIC_SLEEP=y\n",
        ("CONFIG_PREEMPT_RT=y",),
    ),
    # CONFIG_CFI_CLANG became CONFIG_CFI.
    Configuration(
        "CFI",
        f"make {_CLANG}",
        "CONFIG_CFI_CLANG=y\nCONFIG_CFI=y\n",
        ("CONFIG_CC_IS_CLANG=y", "CONFIG_CFI(_CLANG)?=y"),
    ),
)


def jobs(more: list[trees.Tree]) -> list[builds.Job]:
    found = []
    for tree in more:
        releases = tree.releases()
        found += [builds.packaged(tree, release) for release in releases if "-rt-" in release]
        found += [_clang(tree, release) for release in releases if "-rt-" not in release]
        newest = max(releases, key=trees.version_key)
        found += [_configured(tree, newest, wanted) for wanted in CONFIGURATIONS]
    return found


def _clang(tree: trees.Tree, release: str) -> builds.Job:
    """The packaged headers, which a gcc configured, with clang."""
    arch = trees.architecture(release)
    cross = "ARCH=arm64" if arch == "arm64" else ""
    return builds.Job(
        tree=tree,
        kernel=release.removesuffix(f"-{arch}"),
        arch=arch,
        make=f"{trees.MAKE} LLVM=1 CC=/build/clang-for-gcc {cross}",
        headers=f"/lib/modules/{release}/build",
        overlay=_add_wrapper,
        harmless=_HEADERS,
        sparse=False,
    )


def _add_wrapper(tree: trees.Tree, folder: Path) -> dict[Path, str]:
    wrapper = folder / "build/clang-for-gcc"
    wrapper.write_text(_CLANG_FOR_GCC, encoding="ascii")
    wrapper.chmod(0o755)
    return {}


def _configured(tree: trees.Tree, release: str, wanted: Configuration) -> builds.Job:
    version = ".".join(release.split(".")[:2])
    source = _source(tree, version)
    build = _prepare(tree, source, version, wanted)
    place = f"prepared-{wanted.name}"
    for name in ("source", place):
        (tree.root / name).mkdir(exist_ok=True)
    return builds.Job(
        tree=tree,
        kernel=f"{version} {wanted.name}",
        arch="amd64",
        make=f"{wanted.make} KBUILD_MODPOST_WARN=1",
        headers=f"/{place}",
        overlay=lambda tree, folder: {source: "source", build: place},
        harmless=(*_UNRESOLVED, *(_HEADERS if "LLVM" in wanted.make else ())),
        sparse="LLVM" not in wanted.make,
    )


def _source(tree: trees.Tree, version: str) -> Path:
    package = f"linux-source-{version}"

    def unpack(folder: Path) -> None:
        host.require_space(folder, _NEEDS_MIB, "The source of a kernel")
        script = (
            f"apt-get -qq -o APT::Sandbox::User=root download {package} && "
            f"dpkg-deb --fsys-tarfile {package}_*.deb | tar -xO ./usr/src/{package}.tar.xz "
            '| tar -xJ --strip-components=1 --exclude="*/Documentation/*/*" && rm *.deb'
        )
        done = trees.run(tree, folder, script, _SECONDS)
        if done.returncode:
            raise LabError(f"{package} cannot be unpacked.", done.stderr[-2000:])

    return build_once(paths.cache() / "kernels" / package, package, unpack, say)


def _prepare(tree: trees.Tree, source: Path, version: str, wanted: Configuration) -> Path:
    """Configure the kernel and build what a module needs, out of the source tree."""

    def build(folder: Path) -> None:
        (tree.root / "source").mkdir(exist_ok=True)
        place = f"prepared-{wanted.name}"
        (tree.root / place).mkdir(exist_ok=True)
        (folder / "fragment").write_text(_BASE + wanted.options, encoding="ascii")
        make = f"{wanted.make} -s -C /source O=/{place}"
        script = (
            f"cd /{place} && {make} tinyconfig && cat fragment >> .config && "
            f"{make} olddefconfig && {make} -j2 modules_prepare"
        )
        done = trees.run(tree, folder, script, _SECONDS, {source: "source", folder: place})
        log = folder / "prepare.log"
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            raise LabError(f"Linux {version} with {wanted.name} cannot be prepared.", tail(log))
        config = (folder / ".config").read_text(encoding="ascii")
        lost = [line for line in wanted.effect if not re.search(f"^{line}$", config, re.MULTILINE)]
        if lost:
            raise LabError(f"Linux {version} does not take these options: {', '.join(lost)}.")

    name = f"prepared-{version}-{wanted.name}"
    return build_once(
        paths.cache() / "kernels" / name, f"Linux {version} {wanted.name}", build, say
    )
