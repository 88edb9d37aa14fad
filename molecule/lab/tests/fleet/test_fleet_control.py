# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the emulators' control sockets, with answers of every kind."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fleet import Control, ControlError, LabError
from fleet.errors import TimeoutExpiredError

Serve = Callable[[bytes | None], tuple[Control, list[bytes]]]


@pytest.fixture
def serve(cache: Path) -> Iterator[Serve]:
    """A server that sends one answer, or none, and records the request."""
    closing: list[Callable[[], None]] = []

    def begin(answer: bytes | None) -> tuple[Control, list[bytes]]:
        asked: list[bytes] = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(cache / "c.ctl"))
        listener.listen()
        done = threading.Event()

        def run() -> None:
            line, _ = listener.accept()
            with line:
                asked.append(line.recv(65536))
                if answer is None:
                    done.wait(60)
                else:
                    line.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()

        def end() -> None:
            done.set()
            thread.join(30)
            listener.close()

        closing.append(end)
        return Control(cache / "c.ctl", 30 if answer is not None else 0.2), asked

    yield begin
    for end in closing:
        end()


def test_a_request_returns_its_answer(serve: Serve) -> None:
    control, asked = serve(b'{"ok": true, "reads": {"tstamp_ns": 3}}\n')
    assert control.counts(reset=True)["reads"] == {"tstamp_ns": 3}
    assert json.loads(asked[0]) == {"op": "counts", "reset": True}
    assert asked[0].endswith(b"\n")


def test_a_refusal_has_the_emulators_message(serve: Serve) -> None:
    control, asked = serve(b'{"ok": false, "error": "There is no fault x."}\n')
    with pytest.raises(ControlError, match=r"There is no fault x\."):
        control.fault("x", count=3)
    assert json.loads(asked[0]) == {"op": "fault", "name": "x", "on": True, "count": 3}


@pytest.mark.parametrize("answer", [b"", b"hello\n", b"[1]\n", b"\xff\n"])
def test_an_answer_that_is_not_json_is_reported(serve: Serve, answer: bytes) -> None:
    control, _ = serve(answer)
    with pytest.raises(LabError, match=r"is not (JSON|a JSON object)"):
        control.status()


def test_a_missing_answer_times_out(serve: Serve) -> None:
    control, _ = serve(None)
    with pytest.raises(TimeoutExpiredError):
        control.status()


def test_a_missing_emulator_is_reported(cache: Path) -> None:
    with pytest.raises(LabError, match="No emulator answers"):
        Control(cache / "none").status()
