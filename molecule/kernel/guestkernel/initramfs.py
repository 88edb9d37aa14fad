# SPDX-License-Identifier: GPL-3.0-or-later
"""An initramfs: busybox, the guest's programs, modules. Written without root."""

import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from fleet import host
from fleet.errors import LabError, MissingError

from .kernel import Kernel

GUEST = Path(__file__).resolve().parent.parent / "guest"
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")
_SECONDS = 120


class Cpio:
    """A cpio archive in the format that the kernel unpacks (newc)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0
        self._folders: set[str] = set()

    def _entry(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0]
        head = b"070701" + b"".join(b"%08X" % number for number in fields) + encoded
        self._parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def folder(self, name: str) -> None:
        parts = name.split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            if path and path not in self._folders:
                self._folders.add(path)
                self._entry(path, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFREG | mode, data)

    def console(self) -> None:
        self.folder("dev")
        self._entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))

    def done(self) -> bytes:
        self._entry("TRAILER!!!", 0)
        return b"".join(self._parts)


def compile_guest(folder: Path, kernel: Kernel) -> list[Path]:
    """Compile the guest's programs, static, for the kernel's architecture."""
    programs = []
    for name in ("agent", "kmsg", "phc"):
        # Beside its source, since a cross compiler sees this folder only.
        shutil.copy(GUEST / f"{name}.c", folder)
        (kernel.compile or _compile_here)([*_FLAGS, "-o", name, f"{name}.c"], folder)
        programs.append(folder / name)
    return programs


def _compile_here(arguments: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        ["gcc", *arguments],
        capture_output=True, text=True, check=False, timeout=_SECONDS, cwd=folder,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"gcc {' '.join(arguments)} failed.", done.stderr)


def make(target: Path, kernel: Kernel, programs: Iterable[Path], ours: Iterable[Path]) -> Path:
    """Write the archive. The kernel's modules are loaded at boot; `ours` are in /root."""
    if not kernel.busybox.exists():
        raise MissingError(
            "The initramfs needs a static busybox.", f"Install: {host.apt_line(['busybox-static'])}"
        )
    archive = Cpio()
    archive.console()
    for name in ("proc", "sys", "tmp", "root", "modules", "etc"):
        archive.folder(name)
    archive.file("bin/busybox", kernel.busybox.read_bytes(), 0o755)
    archive.file("init", (GUEST / "init").read_bytes(), 0o755)
    for program in programs:
        archive.file(f"bin/{program.name}", program.read_bytes(), 0o755)
    for number, module in enumerate(kernel.modules):
        archive.file(f"modules/{number:02}-{module.name}", module.read_bytes())
    for module in ours:
        archive.file(f"root/{module.name}", module.read_bytes())
    target.write_bytes(archive.done())
    return target
