# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether a PTP core allows opening a clock while it is being registered.

    python -m guestkernel.corerace [--kernel debug] [--cycles 300]

A clock without device and driver is registered and removed while readers open it as soon as its
node exists. Prints the reports of the kernel's checkers; docs/device.md explains them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from fleet.errors import LabError
from fleet.progress import say

from . import debug, initramfs, modules, packaged
from .box import Box, running

_READERS = 8
_SECONDS = 3600
# Ten registrations take a fraction of a second. After an oops they may never end.
_STUCK_SECONDS = 120


def hunt(box: Box, cycles: int) -> list[str]:
    """Register and remove the clock under readers until the kernel reports an error."""
    box.sh("insmod /root/bare_clock.ko")
    box.sh(f"phc load /dev/ptp0 {_SECONDS} {_READERS} 0 1 > /tmp/load 2>&1 &")
    for done in range(0, cycles, 10):
        try:
            box.run("echo 10 > /sys/module/bare_clock/parameters/cycle", _STUCK_SECONDS)
        except LabError:
            say("the kernel is stuck")
        found = box.splats()
        if found:
            say(f"after at most {done + 10} registrations")
            return found
    box.sh("touch /tmp/stop")
    box.wait(lambda: box.run("pidof phc")[0] != 0, 60, "all readers have returned")
    say(f"readers: {box.sh('cat /tmp/load')}")
    return box.splats()


def main() -> int:
    parser = argparse.ArgumentParser(prog="corerace", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debug", help="debug, or a series such as 6.1 or 7")
    parser.add_argument("--cycles", type=int, default=300)
    options = parser.parse_args()
    kernel = debug.ensure() if options.kernel == "debug" else packaged.ensure(options.kernel)
    with tempfile.TemporaryDirectory(prefix="cipu-r-") as name:
        folder = Path(name)
        ours = [modules.bare_clock(kernel, folder / "bare")]
        initrd = initramfs.make(
            folder / "initrd", kernel, initramfs.compile_guest(folder, kernel), ours
        )
        with running(kernel, initrd, (), folder / "vm") as box:
            found = hunt(box, options.cycles)
            print(box.machine.console(60) if found else "")
    print(f"{kernel.name} {kernel.release}: {found[0] if found else 'nothing found'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"corerace: {error}")
