# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a kernel, an initramfs, emulated functions and a serial line to its shell."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet import functions, qemu
from fleet.build import tail
from fleet.control import Control
from fleet.errors import LabError, TimeoutExpiredError
from fleet.machine import Function, Machine, Spec, functions_in
from fleet.progress import silent
from fleet.waiting import until

from . import platform
from .kernel import Kernel

BOOT_SECONDS = 900
APPEND = platform.AMD64.append
# Reports of the kernel's checkers. Messages of the driver are not among them.
SPLAT = re.compile(
    r"(BUG: .*|WARNING: .*|INFO: task .* blocked.*|UBSAN: .*|Oops: .*|Kernel panic.*"
    r"|.*detected stalls.*|.*self-detected stall.*|general protection fault.*|Unable to handle.*"
    r"|kmemleak: .*suspected memory leaks.*|.*unreferenced object.*|ODEBUG: .*"
    r"|list_(add|del) corruption.*"
    r"|.*INFO: .*(lock|RCU).*|Internal error: .*|Call [Tt]race:)"
)


@dataclass(frozen=True)
class Part:
    """A function of the machine: its name and the options of its emulator."""

    name: str
    options: tuple[str, ...] = ()


class Agent:
    """The guest's shell, on its second serial line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line: socket.socket | None = None
        self._buffer = bytearray()
        self._ids = 0

    def connect(self) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(self._path))

    def close(self) -> None:
        if self._line is not None:
            self._line.close()

    def run(self, command: str, seconds: float) -> tuple[int, str]:
        assert self._line is not None
        self._ids += 1
        end = time.monotonic() + seconds
        self._line.sendall(f"{self._ids} {command}\n".encode())
        while True:
            head = self._take_line(end, command).split()
            if len(head) == 3 and head[0] == str(self._ids).encode():
                break
        status, length = int(head[1]), int(head[2])
        self._fill(lambda: len(self._buffer) >= length, end, command)
        output = bytes(self._buffer[:length])
        del self._buffer[:length]
        return status, output.decode(errors="replace")

    def _take_line(self, end: float, command: str) -> bytes:
        self._fill(lambda: b"\n" in self._buffer, end, command)
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        return bytes(line)

    def _fill(self, enough: Any, end: float, command: str) -> None:
        assert self._line is not None
        while not enough():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutExpiredError(f"The guest did not finish in time: {command}")
            self._line.settimeout(left)
            try:
                data = self._line.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                data = b""
            if not data:
                raise LabError("The guest's machine ended.")
            self._buffer += data


class _AgentMachine(Machine):
    """A machine with a second serial line."""

    @property
    def agent_socket(self) -> Path:
        return self.spec.folder / "agent.sock"

    # QEMU's arguments that connect it to the character device "agent".
    agent_line: tuple[str, ...] = ()

    def command(self) -> list[str]:
        line = f"socket,id=agent,path={self.agent_socket},server=on,wait=off"
        return [*super().command(), "-chardev", line, *self.agent_line]


@dataclass
class Box:
    """A running machine."""

    machine: _AgentMachine
    agent: Agent
    controls: dict[str, Control]
    # The build of the driver to load.
    module: str = "ptp_cipu"
    # From the start of QEMU to the first answer of the guest's shell.
    boot_s: float = 0.0
    _judged: int = field(default=0)

    # The guest's shell

    def run(self, command: str, seconds: float = 120) -> tuple[int, str]:
        try:
            return self.agent.run(command, seconds)
        except LabError as error:
            if not self.machine.running:
                raise LabError(str(error), tail(self.machine.log)) from error
            raise self.machine.trouble(str(error)) from error

    def answers(self) -> bool:
        """Whether the shell answers soon. A line that slept may need another byte to wake up."""
        with contextlib.suppress(TimeoutExpiredError):
            return self.agent.run("true", 5)[0] == 0
        return False

    def sh(self, command: str, seconds: float = 120) -> str:
        status, output = self.run(command, seconds)
        if status:
            raise self.machine.trouble(f"Status {status} of: {command}\n{output}")
        return output.strip()

    def json(self, command: str, seconds: float = 120) -> dict[str, Any]:
        answer = json.loads(self.sh(command, seconds))
        assert isinstance(answer, dict)
        return answer

    # The functions

    def function(self, name: str = "cipu0") -> Function:
        return self.machine.function(name)

    def address(self, name: str = "cipu0") -> str:
        return self.function(name).pci_address

    def device(self, name: str = "cipu0") -> str:
        return f"/sys/bus/pci/devices/{self.address(name)}"

    def attributes(self, name: str = "cipu0") -> dict[str, int]:
        folder = f"{self.device(name)}/cipu"
        lines = self.sh(f"cd {folder} && grep -H . *").splitlines()
        return {key: int(value, 16) for key, value in (line.split(":", 1) for line in lines)}

    def attribute(self, attribute: str, name: str = "cipu0") -> int:
        return int(self.sh(f"cat {self.device(name)}/cipu/{attribute}"), 16)

    def clock(self, name: str = "cipu0") -> str:
        """The current path of the clock's node."""
        return "/dev/" + self.sh(f"ls {self.device(name)}/ptp")

    def wait(self, condition: Any, seconds: float, what: str) -> Any:
        try:
            return until(condition, seconds, what, pace=0.05)
        except TimeoutExpiredError as error:
            raise self.machine.trouble(str(error)) from error

    def read(
        self,
        name: str = "cipu0",
        *,
        method: str = "extended",
        clockid: int = 0,
        samples: int = 1,
        calls: int = 1,
        seconds: float = 180,
    ) -> dict[str, Any]:
        command = f"phc read {self.clock(name)} {method} {clockid} {samples} {calls}"
        return self.json(command, seconds)

    def load_command(
        self,
        name: str = "cipu0",
        *,
        seconds: int = 3600,
        threads: int = 8,
        clockids: bool = False,
        reopen: bool = False,
    ) -> str:
        """Command that reads by every method, until the time is up or /tmp/stop exists.

        With `reopen` it opens the function's clock again after it was removed, under its new
        number, once the driver has probed. A program must not open it before, see docs/device.md.
        """
        path = self.device(name) if reopen else self.clock(name)
        return f"phc load {path} {seconds} {threads} {int(clockids)} {int(reopen)}"

    def bind(self, name: str = "cipu0", seconds: float = 120) -> int:
        """Bind the driver and return the exit status."""
        return self.run(f"echo {self.address(name)} > /sys/bus/pci/drivers/ptp_cipu/bind", seconds)[
            0
        ]

    def unbind(self, name: str = "cipu0") -> None:
        self.sh(f"echo {self.address(name)} > /sys/bus/pci/drivers/ptp_cipu/unbind")

    def rebind(self, name: str = "cipu0") -> int:
        if self.bound(name):
            self.unbind(name)
        return self.bind(name)

    def bound(self, name: str = "cipu0") -> bool:
        # The link to the driver exists during the probe; the attributes are created last.
        return self.run(f"test -e {self.device(name)}/cipu")[0] == 0

    def load(self, parameters: str = "") -> None:
        self.sh(f"insmod /root/{self.module}.ko {parameters}")

    def unload(self) -> None:
        self.sh("rmmod ptp_cipu")

    def log(self, since: int = 0) -> str:
        return self.machine.console_text()[since:]

    def mark(self) -> int:
        return len(self.machine.console_text())

    def wait_log(self, pattern: str, seconds: float, since: int = 0) -> re.Match[str]:
        return self.machine.wait_console(pattern, seconds, start=since)

    # Checkers of the kernel

    def splats(self) -> list[str]:
        """Reports of the kernel's checkers since the last call."""
        text = self.machine.console_text()
        found = [match.group(0).strip() for match in SPLAT.finditer(text, self._judged)]
        self._judged = len(text)
        return found

    def first_report(self, lines: int = 80) -> str:
        """The kernel's log from the first report of a checker on."""
        text = self.machine.console_text()
        match = SPLAT.search(text)
        return "\n".join(text[match.start() :].splitlines()[:lines]) if match else ""

    def leaks(self) -> str:
        """Report of kmemleak. Objects that are too new for its first scan are in the second."""
        if self.run("test -e /sys/kernel/debug/kmemleak")[0]:
            return ""
        scan = "echo scan > /sys/kernel/debug/kmemleak"
        self.sh(f"{scan}; sleep 5; {scan}; true", 300)
        return self.sh("cat /sys/kernel/debug/kmemleak", 60)


@contextlib.contextmanager
def running(
    kernel: Kernel,
    initrd: Path,
    parts: Sequence[Part],
    folder: Path,
    *,
    vcpus: int = 2,
    memory: int = 768,
    append: str = "",
) -> Iterator[Box]:
    """A booted machine with an emulator for each part; everything is removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    guest = platform.of(kernel.architecture)
    places = functions_in(folder, [part.name for part in parts], **guest.options)
    spec = Spec(
        name=f"kernel-{kernel.name}",
        folder=folder,
        kernel=kernel.image,
        initrd=initrd,
        append=f"{guest.append} {append}".strip(),
        memory=memory,
        vcpus=vcpus,
        functions=places,
        owned=True,
        **guest.options,
    )
    machine = _AgentMachine(spec, qemu.find(silent, **guest.options))
    machine.agent_line = guest.agent_line
    agent = Agent(machine.agent_socket)
    controls = {}
    with contextlib.ExitStack() as stack:
        for part, place in zip(parts, places, strict=True):
            stack.callback(functions.stop, place)
            controls[part.name] = functions.start(place, options=part.options, owned=True)
        machine.agent_socket.unlink(missing_ok=True)
        started = time.monotonic()
        stack.enter_context(machine)
        machine.wait_console("guest: agent ready", BOOT_SECONDS)
        agent.connect()
        stack.callback(agent.close)
        box = Box(machine, agent, controls)
        # Bytes that are sent before the agent has opened its line are lost.
        box.wait(box.answers, BOOT_SECONDS, "the guest's shell answers")
        box.boot_s = time.monotonic() - started
        # Readers starve its scans until RCU reports a stall; leaks() scans by itself.
        box.run("[ ! -e /sys/kernel/debug/kmemleak ] || echo scan=off > /sys/kernel/debug/kmemleak")
        yield box
