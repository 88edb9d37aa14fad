# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: one JSON object a line in, one reply a line out."""

import json
import socket
from collections.abc import Callable
from typing import Any

from .loop import Loop
from .operations import Operations
from .sockets import listen, remove

MAX_LINE = 65536
MAX_CLIENTS = 32
LINES_A_TURN = 16


class ControlClient:
    """One client. Its requests wait while it does not read its replies."""

    def __init__(
        self,
        sock: socket.socket,
        operations: Operations,
        loop: Loop,
        on_close: Callable[["ControlClient"], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._operations = operations
        self._loop = loop
        self._on_close = on_close
        self._closed = False
        self._last_words = False
        self._received = b""
        self._unsent = b""
        loop.watch(sock.fileno(), self._on_ready)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._on_close(self)

    def _on_ready(self) -> None:
        if self._unsent:
            self._flush()
        elif self._receive():
            self._work()

    def _receive(self) -> bool:
        try:
            data = self._sock.recv(MAX_LINE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._received += data
        return True

    def _work(self) -> None:
        """Answer some of the received lines, and the rest after other clients had their turn."""
        for _ in range(LINES_A_TURN):
            line, end, rest = self._received.partition(b"\n")
            if self._closed or self._unsent:
                return
            if not end:
                break
            self._received = rest
            self._answer(self._operations.run_line(line))
        else:
            self._loop.after(0, self._work)
            return
        if len(self._received) > MAX_LINE:
            self._last_words = True
            self._answer({"ok": False, "error": f"a line may have at most {MAX_LINE} bytes"})

    def _answer(self, reply: dict[str, Any]) -> None:
        self._unsent = json.dumps(reply, separators=(",", ":")).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        self._loop.await_room(self._sock.fileno(), bool(self._unsent))
        if self._unsent:
            return
        if self._last_words:
            self.close()
        elif self._received:
            self._loop.after(0, self._work)


class ControlServer:
    def __init__(self, path: str, operations: Operations, loop: Loop) -> None:
        self._path = path
        self._loop = loop
        self._operations = operations
        self._clients: set[ControlClient] = set()
        self._listener = listen(path, "control")
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            sock.close()
            return
        self._clients.add(ControlClient(sock, self._operations, self._loop, self._clients.discard))

    def close(self) -> None:
        for client in list(self._clients):
            client.close()
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        remove(self._path)
