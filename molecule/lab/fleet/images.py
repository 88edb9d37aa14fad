# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest images: built by mmdebstrap, kept in the cache, keyed by their recipe."""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import aptsource, binfmt, host, keys, paths, recipe
from .build import SYSTEM_PATH, build_once, run_logged
from .errors import UsageError
from .progress import Say, say

_NEEDS_MIB = 4000
# An arm64 image takes 12 minutes on a busy amd64 host.
_SECONDS = 2400
# The path of the keyring in the guests, whose apt uses the host's mirror.
_GUEST_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Image:
    """A guest image, ready to boot."""

    name: str
    folder: Path
    architecture: str = "amd64"

    @property
    def disk(self) -> Path:
        """Raw file system. Read only: each machine writes to an overlay."""
        return self.folder / "root.raw"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @functools.cached_property
    def host_key(self) -> str:
        """The public host key of its sshd."""
        text = (self.folder / "ssh_host_ed25519_key.pub").read_text(encoding="ascii")
        return " ".join(text.split()[:2])


def default_names(count: int) -> list[str]:
    """Two Debian 12 to one Debian 13."""
    return [("debian12", "debian12", "debian13")[index % 3] for index in range(count)]


def ensure(names: Iterable[str], say_line: Say = say) -> dict[str, Image]:
    """The images of these names, built first if necessary."""
    wanted = sorted(set(names))
    unknown = [name for name in wanted if name not in recipe.RECIPES]
    if unknown:
        known = ", ".join(recipe.RECIPES)
        raise UsageError(f"Unknown image: {', '.join(unknown)}. Images: {known}.")
    return {name: _ensure(recipe.RECIPES[name], say_line) for name in wanted}


def _ensure(wanted: recipe.Recipe, say_line: Say) -> Image:
    client_key = keys.private_key()
    mirror = aptsource.find_mirror(aptsource.host_entries())
    target = paths.image_cache() / f"{wanted.name}-{key(wanted, mirror, client_key)}"
    folder = build_once(
        target,
        f"Image {wanted.title}",
        lambda folder: _build(wanted, mirror, client_key, folder, say_line),
        say_line,
    )
    return Image(wanted.name, folder, wanted.architecture)


def key(wanted: recipe.Recipe, mirror: aptsource.Mirror, client_key: Path) -> str:
    """Changes with everything in the image's recipe, but not with versions of packages."""
    parts = [repr(wanted), repr(mirror), keys.public_key(client_key)]
    parts.append(recipe.fingerprint(wanted))
    parts += aptsource.carried_options()
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _build(
    wanted: recipe.Recipe,
    mirror: aptsource.Mirror,
    client_key: Path,
    folder: Path,
    say_line: Say,
) -> None:
    host.require("mmdebstrap", "mke2fs", *([] if host.is_root() else ["newuidmap"]))
    binfmt.ensure(wanted.architecture, say_line)
    host.require_space(folder, _NEEDS_MIB, f"The image of {wanted.title}")
    host_key = folder / "ssh_host_ed25519_key"
    keys.make(host_key, wanted.name)
    files = folder / "guest.tar"
    files.write_bytes(recipe.guest_files(keys.public_key(client_key), host_key))
    with tempfile.TemporaryDirectory(prefix="image-", dir=_work_folder(folder)) as name:
        work = Path(name)
        disk = _empty_disk(work)
        command = _mmdebstrap(wanted, mirror, folder, disk)
        environ = {"TMPDIR": str(work), "LAB_PYTHON": _python()}
        run_logged(command, folder / "build.log", _SECONDS, say_line, environ)
        _keep(disk, folder / "root.raw")
    host_key.unlink()
    files.unlink()


def _python() -> str:
    """A Python of this host that the user of the build's namespace can start."""
    return shutil.which("python3", path=SYSTEM_PATH) or sys.executable


def _work_folder(folder: Path) -> Path:
    """Folder to unpack in. Without root another user must reach it, unlike many a home."""
    reachable = all(parent.stat().st_mode & 0o001 for parent in [folder, *folder.parents])
    if host.is_root() or reachable:
        return folder
    work = Path(tempfile.gettempdir())
    host.require_space(work, _NEEDS_MIB, "Unpacking an image")
    return work


def _empty_disk(work: Path) -> Path:
    """An empty file that the user of the build's namespace can write to."""
    work.chmod(0o755)
    inner = work / "disk"
    inner.mkdir()
    inner.chmod(0o755)
    if not host.is_root():
        # mmdebstrap creates its own folder here, as that user.
        work.chmod(0o1777)
    disk = inner / "root.raw"
    disk.touch()
    disk.chmod(0o666)
    return disk


def _keep(disk: Path, target: Path) -> None:
    """Move the image with its holes, also to another file system."""
    if disk.stat().st_dev == target.parent.stat().st_dev and os.access(disk.parent, os.W_OK):
        disk.rename(target)
    else:
        copy = ["cp", "--sparse=always", str(disk), str(target)]
        subprocess.run(copy, check=True, timeout=_SECONDS)
        shutil.rmtree(disk.parent, ignore_errors=True)
    target.chmod(0o444)


def _mmdebstrap(
    wanted: recipe.Recipe, mirror: aptsource.Mirror, folder: Path, disk: Path
) -> list[str]:
    mke2fs = f"{host.program('mke2fs')} {' '.join(recipe.MKE2FS)}"
    # A plain bind mount shows the tree without the file systems that are mounted on it.
    pack = (
        'set -eu; tree=$(mktemp -d); mount --bind "$1" "$tree"; '
        f'{mke2fs} -d "$tree" {disk} {recipe.DISK_SIZE}; umount "$tree"; rmdir "$tree"'
    )
    options = [*recipe.APT_OPTIONS, *aptsource.carried_options()]
    return [
        host.program("mmdebstrap"),
        "--verbose",
        "--variant=apt",
        "--format=null",
        f"--architectures={wanted.architecture}",
        f"--include={','.join(recipe.packages(wanted))}",
        *(f"--aptopt={option}" for option in options),
        *(f"--dpkgopt={option}" for option in recipe.DPKG_OPTIONS),
        # The check looks for the emulator inside the tree, where flag F makes it unnecessary.
        "--skip=cleanup/apt" + ("" if wanted.architecture == "amd64" else ",check/qemu"),
        f"--essential-hook=tar-in {folder / 'guest.tar'} /",
        f"--customize-hook={recipe.customize(wanted)}",
        # The guest may not have the package with the keyring, so copy the host's.
        "--customize-hook="
        f'mkdir -p "$1{Path(_GUEST_KEYRING).parent}"; [ -e "$1{_GUEST_KEYRING}" ] || '
        f'cp {mirror.keyring} "$1{_GUEST_KEYRING}"',
        "--customize-hook="
        'cp "$(ls "$1"/boot/vmlinuz-* | tail -1)" "$1/boot/lab-vmlinuz"; '
        'cp "$(ls "$1"/boot/initrd.img-* | tail -1)" "$1/boot/lab-initrd"',
        f"--customize-hook=download /boot/lab-vmlinuz {folder / 'vmlinuz'}",
        f"--customize-hook=download /boot/lab-initrd {folder / 'initrd.img'}",
        '--customize-hook=rm "$1/boot/lab-vmlinuz" "$1/boot/lab-initrd"',
        f"--customize-hook={pack}",
        wanted.suite,
        "-",
        *mirror.sources(wanted.suite),
    ]
