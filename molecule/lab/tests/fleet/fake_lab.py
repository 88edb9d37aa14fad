# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line with stand-ins for QEMU and the images; all processes are real.

As a program it is the command line itself, so that a test can kill it.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from fleet import accel, cli, images, qemu
from fleet.platforms import AMD64, Platform
from fleet.process import Process, load
from fleet.progress import Say, say

HERE = Path(__file__).resolve().parent


def fake_qemu(say_line: Say = say, platform: Platform = AMD64) -> qemu.Qemu:
    """Stand-ins for QEMU's programs."""
    return qemu.Qemu(
        version=(11, 1),
        system=[sys.executable, str(HERE / "fake_qemu.py")],
        image=[sys.executable, str(HERE / "fake_qemu_img.py")],
    )


def fake_images(names: Iterable[str], say_line: Say = say) -> dict[str, images.Image]:
    folder = Path(os.environ["CIPU_CACHE"]) / "image"
    folder.mkdir(exist_ok=True)
    (folder / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA fake\n", encoding="ascii")
    return {name: images.Image(name, folder) for name in names}


def fake_choice(qemu: qemu.Qemu, platform: Platform = AMD64) -> str:
    return "tcg"


def install() -> None:
    """Install the stand-ins."""
    qemu.find = fake_qemu
    images.ensure = fake_images
    accel.choose = fake_choice


def started(folder: Path) -> list[Process]:
    """Processes with a pidfile in a lab's folder."""
    found = [load(path) for path in folder.glob("*/*.pid")]
    return [process for process in found if process is not None]


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that mention a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(entry.name) != os.getpid() and os.fsencode(folder) in command:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


if __name__ == "__main__":
    install()
    sys.exit(cli.main(sys.argv[1:]))
