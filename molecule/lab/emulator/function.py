# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated function: registers, PCI side, and the vfio-user socket, which can be closed."""

import socket

from .clock import ClockModel
from .device import CipuDevice
from .loop import Loop
from .pci import PciFunction, PciOptions
from .session import Session
from .sockets import listen, remove


class Function:
    """One function and the client that is connected to it."""

    def __init__(
        self,
        name: str,
        path: str,
        clock: ClockModel,
        pci: PciOptions,
        loop: Loop,
        *,
        handshake_us: int,
    ) -> None:
        self.name = name
        self.loop = loop
        self.pci = PciFunction(pci, self._on_function_reset)
        self.device = CipuDevice(clock, self.pci.trigger)
        self._path = path
        self._handshake_us = handshake_us
        self._session: Session | None = None
        self._listener: socket.socket | None = None
        self.last_disconnect = ""

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def listening(self) -> bool:
        return self._listener is not None

    def _on_function_reset(self, cause: str) -> None:
        self.device.reset(cause)

    def appear(self) -> None:
        """Listen for a client. SocketError if the path is in use."""
        if self._listener is None:
            self._listener = listen(self._path, "vfio-user")
            self.loop.watch(self._listener.fileno(), self._accept)

    def vanish(self) -> None:
        """Disappear at once, as after a surprise removal."""
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
