# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU with vfio-user-pci: the host's if it is new enough, else one that is kept in the cache.

The cached one is unpacked from Debian's packages, not installed. It runs through its own dynamic
loader, so it does not use the host's libraries.
"""

import functools
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from . import aptsource, host, paths
from .build import build_once, run_logged
from .errors import LabError
from .platforms import AMD64, Platform
from .progress import Say, say

LEAST_VERSION = (10, 1)
_SUITE = "trixie"
_NEEDS_MIB = 1200
_SECONDS = 900
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Qemu:
    """How to start this QEMU's programs."""

    version: tuple[int, int]
    system: list[str]
    image: list[str]
    environ: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.environ}


def find(say_line: Say = say, platform: Platform = AMD64) -> Qemu:
    """The QEMU to use for machines of this platform, unpacked first if necessary."""
    return own(platform) or from_tree(tree(say_line, platform), platform)


@functools.cache
def own(platform: Platform = AMD64) -> Qemu | None:
    """The host's QEMU, if it supports vfio-user devices."""
    system, image = host.find(platform.program), host.find("qemu-img")
    if system is None or image is None or os.environ.get("CIPU_QEMU") == "tree":
        return None
    found = Qemu(version=_version([system], {}), system=[system], image=[image])
    return found if found.version >= LEAST_VERSION and _has_vfio_user(found) else None


def tree(say_line: Say = say, platform: Platform = AMD64) -> Path:
    """The cached tree."""
    mirror = aptsource.find_mirror(aptsource.host_entries())
    command = _mmdebstrap(mirror, platform)
    key = hashlib.sha256("\n".join(command).encode()).hexdigest()[:12]
    return build_once(
        paths.qemu_cache() / key,
        f"QEMU for {platform.architecture}",
        lambda folder: _build(command, folder, say_line, platform),
        say_line,
    )


def _mmdebstrap(mirror: aptsource.Mirror, platform: Platform) -> list[str]:
    # QEMU's backport needs other backports, so the whole suite has priority over the release.
    pin = f"Package: *\\nPin: release n={_SUITE}-backports\\nPin-Priority: 900\\n"
    options = ['APT::Install-Recommends "false"', 'Acquire::Languages "none"']
    return [
        "--verbose",
        "--variant=extract",
        "--format=tar",
        f"--include={platform.package},qemu-utils",
        *(f"--aptopt={option}" for option in [*options, *aptsource.carried_options()]),
        '--setup-hook=mkdir -p "$1/etc/apt/preferences.d" && '
        f'printf "{pin}" > "$1/etc/apt/preferences.d/backports"',
        "",
        "-",
        *mirror.sources(_SUITE, updates=False, backports=True),
    ]


def _build(command: list[str], folder: Path, say_line: Say, platform: Platform) -> None:
    host.require("mmdebstrap", *([] if host.is_root() else ["newuidmap"]))
    host.require_space(folder, _NEEDS_MIB, "A QEMU tree")
    archive = folder / "tree.tar"
    arguments = [str(archive) if word == "-" else word for word in command]
    run_logged([host.program("mmdebstrap"), *arguments], folder / "build.log", _SECONDS, say_line)
    # Only the parts that run, without documentation and the rest of a Debian system.
    unpack = ["tar", "-xf", str(archive), "-C", str(folder), "--no-same-owner", "--wildcards"]
    unpack += ["./usr/bin/qemu-*", "./usr/lib", "./usr/lib64", "./usr/share/qemu"]
    unpack += ["./usr/share/seabios"]
    run_logged(unpack, folder / "unpack.log", _SECONDS, say_line)
    archive.unlink()
    if not _has_vfio_user(from_tree(folder, platform)):
        raise LabError("QEMU of the package mirror has no vfio-user-pci.")


@functools.cache
def from_tree(folder: Path, platform: Platform = AMD64) -> Qemu:
    """The QEMU that is unpacked in this folder."""
    loader = next(folder.glob("usr/lib64/ld-linux-*"), None)
    if loader is None:
        raise LabError(f"{folder} contains no dynamic loader.", f"Remove it: rm -r {folder}")
    libraries = folder / _LIBRARIES
    run = [str(loader), "--library-path", str(libraries)]
    environ = {"QEMU_MODULE_DIR": str(libraries / "qemu")}
    system = [*run, str(folder / "usr/bin" / platform.program)]
    firmware = [word for part in _FIRMWARE for word in ("-L", str(folder / part))]
    return Qemu(
        version=_version(system, environ),
        system=[*system, *firmware],
        image=[*run, str(folder / "usr/bin/qemu-img")],
        environ=environ,
    )


def _version(system: list[str], environ: dict[str, str]) -> tuple[int, int]:
    found = re.search(r"version (\d+)\.(\d+)", _ask(system, environ, "--version"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _has_vfio_user(qemu: Qemu) -> bool:
    return '"vfio-user-pci"' in _ask(qemu.system, qemu.environ, "-device", "help")


def _ask(system: list[str], environ: dict[str, str], *arguments: str) -> str:
    try:
        answer = subprocess.run(
            [*system, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environ},
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout
