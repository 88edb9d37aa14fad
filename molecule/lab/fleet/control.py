# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of an emulated function's control socket: one JSON object per line, one reply per line."""

import json
import socket
from pathlib import Path
from typing import Any

from .errors import LabError, TimeoutExpiredError

_LONGEST_ANSWER = 64 << 20


class ControlError(LabError):
    """The emulator refused a request."""


class Control:
    """Client of one function. Each request has a connection of its own, so clients do not wait."""

    def __init__(self, path: Path | str, seconds: float = 20) -> None:
        self.path = Path(path)
        self.seconds = seconds

    def request(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Send one operation and return its answer."""
        return self.send({"op": op, **arguments})

    def send(self, message: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps(message).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self.seconds)
                connection.connect(str(self.path))
                connection.sendall(line)
                answer = _read_line(connection)
        except TimeoutError as error:
            raise TimeoutExpiredError(f"The emulator at {self.path} did not answer.") from error
        except OSError as error:
            raise LabError(
                f"No emulator answers at {self.path}: {error.strerror or error}."
            ) from error
        try:
            reply = json.loads(answer)
        except ValueError as error:
            raise LabError(f"The answer of the emulator at {self.path} is not JSON.") from error
        if not isinstance(reply, dict):
            raise LabError(f"The answer of the emulator at {self.path} is not a JSON object.")
        if not reply.get("ok"):
            raise ControlError(
                str(reply.get("error", "The emulator refused the request without a reason."))
            )
        return reply

    def status(self) -> dict[str, Any]:
        return self.request("status")

    def counts(self, *, reset: bool = False) -> dict[str, Any]:
        return self.request("counts", reset=reset)

    def log(self, limit: int = 1000) -> list[list[Any]]:
        """The last accesses, oldest first."""
        reply = self.request("log", limit=limit)
        entries = reply.get("log", reply.get("entries", []))
        return list(entries)

    def set(self, register: str, value: int) -> None:
        self.request("set", register=register, value=value)

    def clock(self, **model: int) -> None:
        """Change the clock model: offset_ns, drift_ppb, noise_ns, step_ns."""
        self.request("clock", **model)

    def fault(self, name: str, on: bool = True, **parameters: Any) -> None:
        self.request("fault", name=name, on=on, **parameters)

    def clear(self) -> None:
        """End all faults."""
        self.request("clear")


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = connection.recv(65536)
        if not data:
            break
        received += data
        if len(received) > _LONGEST_ANSWER:
            raise LabError("The emulator's answer is too long.")
    return bytes(received)
