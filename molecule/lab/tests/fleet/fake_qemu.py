# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces QEMU: accepts its command line, writes a console, opens its sockets, boots nothing.

It accepts every QMP command and appends it to qmp.log beside the console's log.
FAKE_QEMU_<name of the machine> sets the behaviour: "ready", "dies", "panics" or "hangs".
"""

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import sys
from pathlib import Path


def option(name: str) -> list[str]:
    """Values of every option of this name."""
    return [sys.argv[index + 1] for index, word in enumerate(sys.argv) if word == name]


def monitor_session(line: socket.socket, log: Path) -> None:
    """Answer a QMP client until it hangs up."""
    greeting = {"QMP": {"version": {"qemu": {}, "package": ""}, "capabilities": []}}
    line.sendall(json.dumps(greeting).encode() + b"\n")
    pending = ""
    while data := line.recv(65536):
        pending += data.decode()
        with contextlib.suppress(ValueError):
            # The client ends a request with no newline.
            request, end = json.JSONDecoder().raw_decode(pending)
            pending = pending[end:]
            with log.open("a", encoding="ascii") as sink:
                print(json.dumps([request["execute"], request.get("arguments", {})]), file=sink)
            answer = "" if request["execute"] == "human-monitor-command" else {}
            reply = {"return": answer, **{key: request[key] for key in ("id",) if key in request}}
            line.sendall(json.dumps(reply).encode() + b"\n")


def main() -> None:
    how = os.environ.get(f"FAKE_QEMU_{option('-name')[0]}", "ready")
    log = re.search(r"logfile=([^,]+)", option("-chardev")[0])
    assert log is not None
    Path(log[1]).write_text(f"Booting\n{option('-name')[0]} {how}\n", encoding="ascii")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    if how == "dies":
        sys.exit("no such machine")
    if how == "panics":
        with Path(log[1]).open("a", encoding="ascii") as console:
            console.write("Kernel panic - not syncing: nothing to run\n")
    with selectors.DefaultSelector() as selector:
        monitor = socket.socket(socket.AF_UNIX)
        monitor.bind(option("-qmp")[0].removeprefix("unix:").partition(",")[0])
        monitor.listen()
        selector.register(monitor, selectors.EVENT_READ)
        if how == "ready":
            port = re.search(r"hostfwd=tcp:127.0.0.1:(\d+)-", option("-netdev")[0])
            assert port is not None
            door = socket.create_server(("127.0.0.1", int(port[1])))
            selector.register(door, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                line, _ = key.fileobj.accept()
                # The client may be gone already.
                with line, contextlib.suppress(OSError):
                    if key.fileobj is monitor:
                        monitor_session(line, Path(log[1]).with_name("qmp.log"))
                    else:
                        line.sendall(b"SSH-2.0-fake\r\n")


main()
