# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs of another architecture while an image is built.

The kernel starts an emulator for them that is registered in binfmt_misc. The registration is
global: every process of the host, also in containers, can start such programs until the host boots
again. Flag F opens the emulator at registration, so that it also works inside the guest's tree.
"""

import platform
import subprocess
from pathlib import Path

from . import host
from .errors import LabError
from .progress import Say

_MISC = Path("/proc/sys/fs/binfmt_misc")
# The ELF header of an arm64 executable, and which of its bits count.
_MAGIC = rb"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
_HOST_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_EMULATORS = {"arm64": "qemu-aarch64"}


def native(architecture: str) -> bool:
    """Whether this host's processor runs programs of the architecture."""
    return _HOST_NAMES.get(platform.machine()) == architecture


def registered(architecture: str, misc: Path = _MISC) -> bool:
    """Whether the emulator is registered in the form that works in a guest's tree."""
    try:
        lines = (misc / _EMULATORS[architecture]).read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    return "enabled" in lines and any(line.startswith("flags:") and "F" in line for line in lines)


def ensure(architecture: str, say: Say) -> None:
    """Make programs of the architecture run here; an error says what to do."""
    if native(architecture):
        return
    name = _EMULATORS[architecture]
    if host.is_root() and not (_MISC / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(_MISC)]
        subprocess.run(mount, capture_output=True, check=False, timeout=30)
    if registered(architecture):
        return
    if not host.is_root():
        raise LabError(
            f"Building an {architecture} image needs {name} registered in binfmt_misc with flag F,"
            " which only root can do.",
            "Build the image as root, or install qemu-user-static and binfmt-support as root.",
        )
    emulator = host.program(f"{name}-static")
    say(f"Registering {name} in binfmt_misc (for every process of this host, until it boots again)")
    line = b":%b:M::%b:%b:%b:F" % (name.encode(), _MAGIC, _MASK, emulator.encode())
    try:
        if (_MISC / name).exists():
            (_MISC / name).write_text("-1", encoding="ascii")
        (_MISC / "register").write_bytes(line)
    except OSError as error:
        raise LabError(
            f"{name} cannot be registered in binfmt_misc: {error.strerror}.",
            f"An {architecture} image cannot be built on this machine; build it on another one"
            " and copy its folder into .cache/images.",
        ) from error
