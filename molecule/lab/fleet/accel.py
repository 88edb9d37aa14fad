# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM where it works, which only a boot can tell: some machines offer it and guests hang in it."""

import os
import tempfile
from pathlib import Path

from . import images, machine, paths
from .errors import LabError, UsageError
from .host import make_folder
from .progress import say
from .qemu import Qemu

_DEVICE = Path("/dev/kvm")
# The first word of the initramfs: a program ran in user space.
_USER_SPACE = r"^(Loading, please wait|Begin: )"
_SECONDS = 20
_CHOICES = ("kvm", "tcg")


def arguments(accelerator: str) -> list[str]:
    """QEMU's options for it."""
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # Nested virtualisation only makes the guest load modules for it.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,svm=off,la57=off"]


def choose(qemu: Qemu) -> str:
    """What CIPU_ACCEL says, else KVM if a trial boot under it worked since this host booted."""
    named = os.environ.get("CIPU_ACCEL")
    if named:
        if named not in _CHOICES:
            raise UsageError(f"CIPU_ACCEL is {named!r}, and can be {' or '.join(_CHOICES)}.")
        return named
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    known = make_folder(paths.qemu_cache()) / "accelerator"
    answer = f"{boot} {qemu.version[0]}.{qemu.version[1]}"
    try:
        tried, _, result = known.read_text(encoding="ascii").strip().rpartition(" ")
        if tried == answer and result in _CHOICES:
            return result
    except OSError:
        pass
    result = "kvm" if _boots(qemu) else "tcg"
    new = known.with_name(f"accelerator.{os.getpid()}")
    new.write_text(f"{answer} {result}\n", encoding="ascii")
    new.rename(known)
    return result


def _boots(qemu: Qemu) -> bool:
    image = images.ensure(["debian12"])["debian12"]
    say(f"KVM: trying it for up to {_SECONDS} s (once a boot of this machine)")
    with tempfile.TemporaryDirectory(prefix="cipu-kvm-") as folder:
        spec = machine.Spec(
            name="trial",
            folder=Path(folder),
            kernel=image.kernel,
            initrd=image.initrd,
            append="console=ttyS0 panic=-1",
            memory=256,
            accelerator="kvm",
            owned=True,
        )
        try:
            with machine.Machine(spec, qemu) as trial:
                trial.wait_console(_USER_SPACE, _SECONDS)
        except LabError:
            say("KVM: a guest did not get to user space in it; emulating instead, which is slower")
            return False
    say("KVM: works")
    return True
