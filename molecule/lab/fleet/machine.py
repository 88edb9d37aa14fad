# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: any kernel and initrd, with or without disk and network, and its console.

Used for the lab's guests, and by tests that boot their own kernel from an initramfs.
"""

import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from . import accel, hotplug, process, qmp
from .build import tail
from .errors import LabError, TimeoutExpiredError, UsageError
from .host import make_folder
from .platforms import AMD64, Platform
from .qemu import Qemu
from .waiting import until

# sun_path of a Unix socket, less its NUL.
_LONGEST_SOCKET = 107
_FIRST_SLOT = 0x10
_NETDEV = "net"
# QEMU's name of the drive.
DISK = "disk"
_FOR_TERMINALS = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|[PX^_\]][^\x1b\x07]*(\x1b\\|\x07)|[ -/]*[0-~])"
)


@dataclass(frozen=True)
class Function:
    """An emulated PCI function: its name, its place on the bus, its emulator's sockets."""

    name: str
    slot: int
    socket: Path
    control: Path
    # On a root port in that slot, instead of in the slot itself.
    root_port: bool = False

    @property
    def pci_address(self) -> str:
        if self.root_port:
            # The kernel numbers the buses behind the ports in the order of their slots.
            return f"0000:{self.slot - _FIRST_SLOT + 1:02x}:00.0"
        return f"0000:00:{self.slot:02x}.0"

    @property
    def port(self) -> str:
        return f"port-{self.name}"


def functions_in(folder: Path, names: Sequence[str], platform: Platform = AMD64) -> list[Function]:
    """Functions of these names, in the slots from 0x10 on, with their sockets in `folder`."""
    return [
        Function(
            name,
            _FIRST_SLOT + index,
            folder / f"{name}.sock",
            folder / f"{name}.ctl",
            platform.root_ports,
        )
        for index, name in enumerate(names)
    ]


@dataclass
class Spec:
    """Hardware, kernel and files of a machine."""

    name: str
    folder: Path
    kernel: Path
    initrd: Path
    append: str = ""
    disk: Path | None = None
    memory: int = 1024
    vcpus: int = 1
    functions: list[Function] = field(default_factory=list)
    # Names of functions that are not plugged in when the machine starts.
    absent: frozenset[str] = frozenset()
    # Additional -device arguments of QEMU, such as "vmclock".
    devices: list[str] = field(default_factory=list)
    # Port of the host's loopback that is forwarded to the guest's port 22. None: no network.
    ssh_port: int | None = None
    # Whether it ends with the process that started it, if QEMU supports that.
    owned: bool = False
    # "kvm" or "tcg". None: KVM if it works here.
    accelerator: str | None = None
    platform: Platform = AMD64


class Machine:
    """A machine that can be started, watched, interrupted and ended."""

    def __init__(self, spec: Spec, qemu: Qemu) -> None:
        self.spec = spec
        self.qemu = qemu
        self.pidfile = spec.folder / "qemu.pid"
        self.console_log = spec.folder / "console.log"
        self.console_socket = spec.folder / "console.sock"
        self.qmp_socket = spec.folder / "qmp.sock"
        self.log = spec.folder / "qemu.log"

    def __enter__(self) -> "Machine":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def command(self) -> list[str]:
        """The whole command line of QEMU."""
        spec = self.spec
        accelerator = spec.accelerator or accel.choose(self.qemu, spec.platform)
        command = [
            *self.qemu.system,
            *("-name", spec.name, "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", f"{spec.platform.machine},memory-backend=memory"),
            *("-object", f"memory-backend-memfd,id=memory,size={spec.memory}M,share=on"),
            *("-m", str(spec.memory), "-smp", str(spec.vcpus)),
            *accel.arguments(accelerator, spec.platform),
            *("-kernel", str(spec.kernel), "-initrd", str(spec.initrd)),
            *("-append", spec.append),
            *("-chardev", self._console(), "-serial", "chardev:console"),
            *("-qmp", f"unix:{self.qmp_socket},server=on,wait=off"),
            *("-device", "virtio-rng-pci"),
        ]
        if spec.owned and self.qemu.version >= (10, 2):
            command += ["-run-with", "exit-with-parent=on"]
        if spec.disk is not None:
            # A guest's flush reaches the image file, only not the host's disk. So killing QEMU
            # loses what a power cut of a disk with a write cache loses, and no more.
            command += ["-drive", f"file={spec.disk},format=qcow2,if=none,id={DISK},cache=unsafe"]
            command += ["-device", f"virtio-blk-pci,drive={DISK}"]
        if spec.ssh_port is not None:
            forward = f"hostfwd={_forward(spec.ssh_port)}-:22"
            command += ["-netdev", f"user,id={_NETDEV},{forward}"]
            command += ["-device", "virtio-net-pci,netdev=net,romfile="]
        for number, function in enumerate(spec.functions, 1):
            if function.root_port:
                place = f"bus=pcie.0,addr={function.slot:x},chassis={number}"
                command += ["-device", f"pcie-root-port,id={function.port},{place}"]
            if function.name not in spec.absent:
                command += ["-device", json.dumps(_device(function))]
        if spec.functions:
            command += hotplug.arguments()
        for device in spec.devices:
            command += ["-device", device]
        return command

    def _console(self) -> str:
        return (
            f"socket,id=console,path={self.console_socket},server=on,wait=off,"
            f"logfile={self.console_log},logappend=on"
        )

    def start(self) -> None:
        """Start QEMU and return when it answers."""
        make_folder(self.spec.folder)
        for path in (self.console_socket, self.qmp_socket):
            if len(os.fsencode(path)) > _LONGEST_SOCKET:
                raise UsageError(
                    f"{path} is too long for a socket's path.",
                    "Set CIPU_LAB_STATE to a folder with a shorter path.",
                )
        if self.running:
            raise LabError(f"{self.spec.name} is running already.")
        for stale in (self.console_socket, self.qmp_socket):
            stale.unlink(missing_ok=True)
        command = self.command()
        process.spawn(command, self.pidfile, self.log, self.qemu.environment())
        try:
            until(self._answers, 120, f"QEMU of {self.spec.name} starts", pace=0.05)
        except BaseException as error:
            self.stop()
            if isinstance(error, TimeoutExpiredError):
                raise self._ended("did not start") from error
            raise

    def _answers(self) -> bool:
        if not self.running:
            raise self._ended("ended at once")
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(self.qmp_socket))
            return True
        return False

    def _ended(self, how: str) -> LabError:
        return LabError(f"QEMU of {self.spec.name} {how}.", tail(self.log))

    @property
    def running(self) -> bool:
        known = process.load(self.pidfile)
        return known is not None and known.alive()

    def stop(self) -> None:
        """End it at once, without shutting the guest down."""
        process.stop(self.pidfile)
        for path in (self.console_socket, self.qmp_socket):
            path.unlink(missing_ok=True)

    def cut_power(self) -> None:
        """Kill QEMU at once. The disk keeps what the guest had flushed to it."""
        process.kill(self.pidfile)

    def network(self, on: bool) -> None:
        """Plug the network cable in or out. Connections stall until it is back."""
        self._require_network()
        self.qmp("set_link", name=_NETDEV, up=on)

    def ssh_port(self, on: bool) -> None:
        """Open or close the forwarded port. While it is closed, new connections are refused."""
        self._require_network()
        forward = _forward(self.spec.ssh_port)
        words = (
            f"hostfwd_add {_NETDEV} {forward}-:22" if on else f"hostfwd_remove {_NETDEV} {forward}"
        )
        answer = str(self.qmp("human-monitor-command", **{"command-line": words})).strip()
        if answer and not answer.endswith("removed"):
            raise LabError(f"QEMU did not switch the ssh port of {self.spec.name}: {answer}.")

    def _require_network(self) -> None:
        if self.spec.ssh_port is None:
            raise UsageError(f"{self.spec.name} has no network.")

    def wait_end(self, seconds: float) -> None:
        """Wait for the guest to power itself off."""
        known = process.load(self.pidfile)
        if known is not None and not known.wait(seconds):
            raise self.trouble(f"{self.spec.name} did not power off within {seconds:.0f} s.")
        self.stop()

    def console(self, lines: int = 40) -> str:
        """The last lines of the serial console, without terminal control sequences."""
        return _FOR_TERMINALS.sub("", tail(self.console_log, lines))

    def console_text(self) -> str:
        """All output of the serial console."""
        try:
            return self.console_log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def wait_console(
        self,
        pattern: str,
        seconds: float,
        cancelled: threading.Event | None = None,
        start: int = 0,
    ) -> re.Match[str]:
        """Wait until the console's text, from character `start` on, matches the pattern."""
        wanted = re.compile(pattern, re.MULTILINE)

        def seen() -> re.Match[str] | None:
            # In this order, so that the last output is read even if the machine has ended.
            running = self.running
            found = wanted.search(self.console_text(), start)
            if found is None and not running:
                raise self.trouble(f"{self.spec.name} ended before its console showed {pattern!r}.")
            return found

        try:
            return until(seen, seconds, f"{self.spec.name}: {pattern!r}", cancelled, pace=0.1)
        except TimeoutExpiredError as error:
            raise self.trouble(
                f"The console of {self.spec.name} did not show {pattern!r} within {seconds:.0f} s."
            ) from error

    def type(self, text: str) -> None:
        """Type on the serial console."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(str(self.console_socket))
            line.sendall(text.encode())
            line.shutdown(socket.SHUT_WR)
            # QEMU closes its end when it has read everything.
            with contextlib.suppress(TimeoutError, ConnectionError):
                while line.recv(65536):
                    pass

    def trouble(self, sentence: str) -> LabError:
        """An error with the last lines of the console."""
        shown = self.console() or tail(self.log) or "(no output)"
        return LabError(sentence, f"Last lines of the console of {self.spec.name}:\n{shown}")

    def qmp(self, command: str, /, **arguments: object) -> object:
        """Run a QMP command."""
        return qmp.command(self.qmp_socket, command, **arguments)

    def unplug(self, name: str, seconds: float = 60) -> None:
        """Unplug a function in the orderly way, or remove one that vanished."""
        function = self.function(name)
        try:
            hotplug.unplug(self.qmp_socket, function.name, function.control, seconds)
        except TimeoutExpiredError as error:
            raise self.trouble(error.message) from error

    def plug(self, name: str) -> None:
        """Plug a function in again, at its place."""
        function = self.function(name)
        hotplug.plug(self.qmp_socket, _device(function), function.control)

    def function(self, name: str) -> Function:
        for function in self.spec.functions:
            if function.name == name:
                return function
        known = ", ".join(function.name for function in self.spec.functions) or "none"
        raise UsageError(f"{self.spec.name} has no function {name}; it has {known}.")


def _forward(port: int | None) -> str:
    return f"tcp:127.0.0.1:{port}"


def _device(function: Function) -> dict[str, object]:
    return {
        "driver": "vfio-user-pci",
        "id": function.name,
        "bus": function.port if function.root_port else "pci.0",
        "addr": "0.0" if function.root_port else f"{function.slot:x}.0",
        "socket": {"type": "unix", "path": str(function.socket)},
    }
