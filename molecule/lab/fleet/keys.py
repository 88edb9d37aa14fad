# SPDX-License-Identifier: GPL-3.0-or-later
"""The ssh key for the lab's guests, and for no other machine."""

import subprocess
from pathlib import Path

from . import host, paths
from .build import locked

_NAME = "id_ed25519"


def private_key() -> Path:
    """The key; created on first use."""
    folder = host.make_folder(paths.image_cache())
    key = folder / _NAME
    with locked(folder / f".{_NAME}.lock", lambda: None):
        if not (key.exists() and public_path(key).exists()):
            make(key, "lab")
    return key


def make(key: Path, comment: str) -> None:
    """Create a key pair without a passphrase."""
    new = key.with_name(f"{key.name}.new")
    for left in (new, public_path(new)):
        left.unlink(missing_ok=True)
    subprocess.run(
        [
            host.program("ssh-keygen"),
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            comment,
            "-f",
            str(new),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    # The private key last: if it exists, the pair is complete.
    public_path(new).rename(public_path(key))
    new.rename(key)


def public_path(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def public_key(key: Path) -> str:
    return public_path(key).read_text(encoding="ascii").strip()
