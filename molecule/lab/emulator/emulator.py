# SPDX-License-Identifier: GPL-3.0-or-later
"""One emulated function: device, PCI function, and its two sockets, which come and go."""

import socket
from dataclasses import dataclass

from .clock import ClockModel
from .control import ControlServer
from .device import CipuDevice
from .loop import Loop
from .pci import PciFunction, PciOptions
from .session import Session
from .sockets import SocketError, listen, remove


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
        self.name = settings.name
        self.loop = Loop()
        self.pci = PciFunction(settings.pci, self._on_function_reset)
        self.device = CipuDevice(settings.clock, self.pci.trigger)
        for register, value in settings.registers.items():
            self.device.set_register(register, value)
        self.device.counters.clear()
        self._path = settings.socket
        self._handshake_us = settings.handshake_us
        self._session: Session | None = None
        self._listener: socket.socket | None = None
        self.last_disconnect = ""
        self._control: ControlServer | None = None
        try:
            self.appear()
            self._control = ControlServer(settings.control, self, self.loop)
        except SocketError:
            self.close()
            raise

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def listening(self) -> bool:
        return self._listener is not None

    def _on_function_reset(self, cause: str) -> None:
        self.device.reset(cause)

    # Come and go

    def appear(self) -> None:
        """Listen for a client. SocketError if the path has been taken."""
        if self._listener is None:
            self._listener = listen(self._path, "vfio-user")
            self.loop.watch(self._listener.fileno(), self._accept)

    def vanish(self) -> None:
        """Be gone at once, as after a surprise removal."""
        if self._listener is not None:
            self.loop.forget(self._listener.fileno())
            self._listener.close()
            self._listener = None
            remove(self._path)
        if self._session is not None:
            self._session.close("vanished")

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if self._session is not None:
            # The old client may have hung up just now.
            self._session.on_readable()
        if self._session is not None:
            self.device.counters.session["turned_away"] += 1
            sock.close()
            return
        self.device.counters.session["connections"] += 1
        self._session = Session(
            sock,
            self.pci,
            self.device,
            self.loop,
            self._on_disconnect,
            handshake_us=self._handshake_us,
        )

    def _on_disconnect(self, why: str) -> None:
        self._session = None
        self.last_disconnect = why
        self.device.counters.session["disconnections"] += 1
        self.pci.disconnect()
        self.device.reset("disconnect")

    def run(self) -> None:
        self.loop.run()

    def close(self) -> None:
        self.vanish()
        if self._control is not None:
            self._control.close()
        self.loop.close()
