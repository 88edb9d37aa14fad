# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM if it works here. Only a trial boot shows it: on some machines guests hang in KVM."""

import os
import re
import selectors
import subprocess
import time
from pathlib import Path

from . import images, paths
from .binfmt import native
from .errors import UsageError
from .host import make_folder
from .platforms import AMD64, Platform
from .progress import say
from .qemu import Qemu

_DEVICE = Path("/dev/kvm")
# The first message of the initramfs, so a program runs in user space.
_USER_SPACE = re.compile(rb"^(Loading, please wait|Begin: )", re.MULTILINE)
_SECONDS = 20
_CHOICES = ("kvm", "tcg")


def arguments(accelerator: str, platform: Platform = AMD64) -> list[str]:
    """QEMU's options for an accelerator."""
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", platform.cpu]


def choose(qemu: Qemu, platform: Platform = AMD64) -> str:
    """The value of CIPU_ACCEL, else KVM if a trial boot under it worked since this host booted."""
    named = os.environ.get("CIPU_ACCEL")
    if named and named not in _CHOICES:
        raise UsageError(f"CIPU_ACCEL is {named!r}, and can be {' or '.join(_CHOICES)}.")
    if not native(platform.architecture):
        return "tcg"
    if named:
        return named
    # The trial's image is of this architecture.
    if platform != AMD64 or not os.access(_DEVICE, os.R_OK | os.W_OK):
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
    command = [*qemu.system, "-nodefaults", "-no-user-config", "-display", "none", "-m", "256"]
    command += ["-machine", AMD64.machine, *arguments("kvm"), "-serial", "stdio"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    command += ["-append", f"console={AMD64.console} panic=-1", "-no-reboot"]
    if reaches(command, _USER_SPACE, _SECONDS, qemu.environment()):
        say("KVM: works")
        return True
    say("KVM: a guest did not reach user space in it; emulating instead, which is slower")
    return False


def reaches(
    command: list[str], wanted: "re.Pattern[bytes]", seconds: float, environ: dict[str, str]
) -> bool:
    """Whether the output of a command shows a pattern in time. The command is ended in any case."""
    end = time.monotonic() + seconds
    shown = b""
    with (
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
        ) as child,
        selectors.DefaultSelector() as selector,
    ):
        assert child.stdout is not None
        selector.register(child.stdout, selectors.EVENT_READ)
        try:
            while (left := end - time.monotonic()) > 0:
                if not selector.select(left):
                    continue
                data = os.read(child.stdout.fileno(), 65536)
                shown = (shown + data.replace(b"\r", b""))[-65536:]
                if wanted.search(shown):
                    return True
                if not data:
                    break
        finally:
            child.kill()
    return False
