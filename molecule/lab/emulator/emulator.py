# SPDX-License-Identifier: GPL-3.0-or-later
"""One process: the emulated function, its control socket, and the loop that runs both."""

from dataclasses import dataclass

from .clock import ClockModel
from .control import ControlServer
from .function import Function
from .loop import Loop
from .operations import Operations
from .pci import PciOptions
from .sockets import SocketError


@dataclass(frozen=True)
class Settings:
    name: str
    socket: str
    control: str
    clock: ClockModel
    pci: PciOptions
    registers: dict[str, int]
    handshake_us: int = 10_000_000


class Emulator:
    def __init__(self, settings: Settings) -> None:
        self.loop = Loop()
        self._control: ControlServer | None = None
        self._function = Function(
            settings.name,
            settings.socket,
            settings.clock,
            settings.pci,
            self.loop,
            handshake_us=settings.handshake_us,
        )
        device = self._function.device
        for register, value in settings.registers.items():
            device.set_register(register, value)
        device.counters.clear()
        try:
            self._function.appear()
            self._control = ControlServer(settings.control, Operations(self._function), self.loop)
        except SocketError:
            self.close()
            raise

    def run(self) -> None:
        self.loop.run()

    def close(self) -> None:
        self._function.vanish()
        if self._control is not None:
            self._control.close()
        self.loop.close()
