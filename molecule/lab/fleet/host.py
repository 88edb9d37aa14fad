# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of the host: programs, disk space, writable folders."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from .errors import LabError, MissingError

# Program and the Debian package that contains it. packages.txt lists the packages for `make setup`.
PACKAGE_OF = {
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    # Only for arm64 images, so it is not in packages.txt.
    "qemu-aarch64-static": "qemu-user-static",
}

# mke2fs is in the administrators' folders, which a user's PATH often lacks.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def is_root() -> bool:
    return os.geteuid() == 0


def find(program: str) -> str | None:
    """Path of a program, or None."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))


def apt_line(packages: Iterable[str]) -> str:
    """The command that installs these packages."""
    sudo = "" if is_root() else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {' '.join(sorted(set(packages)))}"


def require(*programs: str) -> None:
    """Fail with one sentence that names all missing programs."""
    missing = [program for program in programs if find(program) is None]
    if missing:
        packages = [PACKAGE_OF.get(program, program) for program in missing]
        raise MissingError(
            f"The lab needs {', '.join(missing)}, which is not installed on this machine.",
            f"Install it with: {apt_line(packages)}",
        )


def program(name: str) -> str:
    """Path of a required program."""
    require(name)
    found = find(name)
    assert found is not None
    return found


def require_space(folder: Path, mebibytes: int, what: str) -> None:
    """Fail in advance if the disk does not have enough space."""
    free = shutil.disk_usage(folder).free >> 20
    if free < mebibytes:
        raise LabError(
            f"{what} needs {mebibytes} MiB free in {folder}, which has {free} MiB.",
            "Free some space, or set CIPU_CACHE to another folder.",
        )


def make_folder(folder: Path, mode: int = 0o755) -> Path:
    """Create a folder that can be written to; the error says which folder and why."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"The lab cannot create {folder}: {error.strerror}.",
            "Set CIPU_CACHE to a folder of your own.",
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LabError(
            f"The lab has no permission to write in {folder}.",
            "Change its owner, or set CIPU_CACHE to a folder of your own.",
        )
    return folder
