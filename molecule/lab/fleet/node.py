# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest of a lab: its machine, the emulators of its functions, its login."""

import contextlib
import functools
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from . import functions, ports
from .control import Control
from .errors import LabError, TimeoutExpiredError, UsageError
from .host import make_folder
from .machine import Machine, Spec, functions_in
from .platforms import platform_of
from .qemu import Qemu
from .ssh import Login
from .state import NodeState
from .waiting import until

_BOOT_SECONDS = 600
_SETTLE_SECONDS = 300
# The package lists are as old as the image. A role that updates old lists would download them in
# every machine, which takes minutes each, so make them look new.
_SETTLE = "touch -c /var/lib/apt/lists; systemctl is-system-running --wait"

# Show kernel messages on the console, but no units that started: each line costs time.
_APPEND = (
    "root=/dev/vda rootfstype=ext4 rw console={console} net.ifnames=0 fsck.mode=skip noresume "
    "loglevel=5 panic=10 {parameters} rcupdate.rcu_expedited=1 mitigations=off "
    "audit=0 apparmor=0 selinux=0 systemd.hostname={name} systemd.show_status=error "
    # The lab has a timeout for the whole boot, so single units do not need one.
    "systemd.default_timeout_start_sec=600 systemd.service_watchdogs=no"
)


class Node:
    """A guest, whether it is running or not."""

    def __init__(self, state: NodeState, folder: Path, private_key: Path, qemu: Qemu) -> None:
        self.state = state
        self.name = state.name
        self.folder = folder
        self.overlay = folder / "disk.qcow2"
        platform = platform_of(state.architecture)
        self.functions = functions_in(folder, state.functions, platform)
        self.login = Login(self.name, state.ssh_port, private_key, folder / "known_hosts")
        self.qemu = qemu
        self.machine = Machine(
            Spec(
                name=self.name,
                folder=folder,
                kernel=Path(state.kernel),
                initrd=Path(state.initrd),
                append=_APPEND.format(
                    name=self.name, console=platform.console, parameters=platform.parameters
                ),
                disk=self.overlay,
                memory=state.memory,
                vcpus=state.vcpus,
                functions=self.functions,
                devices=state.devices,
                ssh_port=state.ssh_port,
                platform=platform,
            ),
            qemu,
        )

    def create(self) -> None:
        """Create an empty overlay, and known_hosts with the host key of its sshd."""
        make_folder(self.folder)
        arguments = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.state.backing]
        done = subprocess.run(
            [*self.qemu.image, *arguments, str(self.overlay)],
            capture_output=True,
            text=True,
            timeout=60,
            env=self.qemu.environment(),
            check=False,
        )
        if done.returncode:
            raise LabError(f"Cannot create the disk of {self.name}.", done.stderr.strip())
        known = f"[{ports.ADDRESS}]:{self.state.ssh_port} {self.state.host_key}\n"
        self.login.known_hosts.write_text(known, encoding="ascii")

    def start(self) -> None:
        """Start the emulators that do not run, then the machine that connects to them."""
        for function in self.functions:
            functions.ensure(function)
        self.machine.start()

    def wait_ready(
        self, cancelled: threading.Event | None = None, seconds: float = _BOOT_SECONDS
    ) -> None:
        """Wait until the guest has booted; a unit that failed is an error."""
        state = self.wait_boot(cancelled, seconds)
        if state != "running":
            units = ", ".join(self.failed_units()) or "no unit failed"
            raise self.machine.trouble(f"{self.name} is {state or 'not reached'}: {units}")

    def wait_boot(
        self, cancelled: threading.Event | None = None, seconds: float = _BOOT_SECONDS
    ) -> str:
        """Wait until ssh answers and systemd has started its units; return systemd's state."""

        def greets() -> bool:
            if not self.machine.running:
                raise self.machine.trouble(f"{self.name} ended while it booted.")
            if "Kernel panic" in self.machine.console():
                raise self.machine.trouble(f"The kernel of {self.name} panicked.")
            return self.login.greets()

        try:
            until(greets, seconds, f"ssh to {self.name}", cancelled)
            done = self.login.run(_SETTLE, check=False, seconds=_SETTLE_SECONDS)
        except TimeoutExpiredError as error:
            raise self.machine.trouble(
                f"{self.name} did not get ready within {seconds:.0f} s."
            ) from error
        return done.stdout.strip()

    def failed_units(self) -> list[str]:
        """Names of the guest's failed units."""
        shown = self.login.run("systemctl --failed --no-legend --plain", check=False).stdout
        return [line.split()[0] for line in shown.splitlines() if line.strip()]

    def stop(self) -> None:
        """End machine and emulators. If ending one fails, the others are still ended."""
        steps: list[Callable[[], None]] = [self.machine.stop]
        steps += [functools.partial(functions.stop, function) for function in self.functions]
        troubles = []
        for step in steps:
            try:
                step()
            except LabError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def function_name(self, name: str | None) -> str:
        """The named function, or the default one."""
        if not self.functions:
            raise UsageError(f"{self.name} has no function; start the lab with --functions 2.")
        return self.machine.function(name or functions.PRIMARY).name

    def control(self, name: str | None = None) -> Control:
        """Client of a function's emulator."""
        return Control(self.machine.function(self.function_name(name)).control)

    def reboot(self, kernel: str | None = None, seconds: float = _BOOT_SECONDS) -> None:
        """Power off and start again, with the kernel of this release from the guest's /boot.

        Without a release it boots the same kernel as before. The guests have no boot loader, so
        this is the way to boot another kernel.
        """
        if kernel is not None:
            self.take_kernel(kernel)
        self.shut_down()
        self.start()
        self.wait_ready(seconds=seconds)

    def shut_down(self) -> None:
        """Power off in the orderly way. The emulators keep running."""
        # The connection breaks when the guest powers off, which is no error.
        with contextlib.suppress(TimeoutExpiredError):
            self.login.run("systemctl poweroff", check=False, seconds=60)
        self.machine.wait_end(120)

    def power_on(self, without: Sequence[str] = (), seconds: float = _BOOT_SECONDS) -> str:
        """Start a machine that is off, with its present disk, and return systemd's state.

        Functions in `without` are not plugged in; `plug` brings them later. A unit that fails is no
        error here, since a test may have caused it: see `failed_units`.
        """
        self.machine.spec.absent = frozenset(self.machine.function(name).name for name in without)
        self.start()
        return self.wait_boot(seconds=seconds)

    def take_kernel(self, release: str) -> None:
        """Use a kernel that is installed in the guest at the next start."""
        kernel, initrd = self.folder / "vmlinuz", self.folder / "initrd.img"
        self.login.fetch(f"/boot/vmlinuz-{release}", kernel)
        self.login.fetch(f"/boot/initrd.img-{release}", initrd)
        self.state.kernel, self.state.initrd = str(kernel), str(initrd)
        self.machine.spec.kernel, self.machine.spec.initrd = kernel, initrd
