# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: errors, signals, and removed sockets."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from vfio_client import PATIENCE_S, Client, Running, Start, command, environment


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    if not last.startswith("emulator: error"):
        assert len(done.stderr.strip().splitlines()) == 1
    return last


def test_a_path_in_use_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    done = run("--socket", str(tmp_path / "s"), "--control", str(tmp_path / "c"))
    assert "exists and is not a socket" in sentence(done)
    assert (tmp_path / "s").read_text() == "precious"
    assert not (tmp_path / "c").exists()


def test_a_path_in_use_by_another_emulator(emulator: Running, tmp_path: Path) -> None:
    done = run("--socket", str(emulator.socket), "--control", str(tmp_path / "c"))
    assert "in use" in sentence(done)
    done = run("--socket", str(tmp_path / "s"), "--control", str(emulator.control_socket))
    assert "in use" in sentence(done)
    assert not (tmp_path / "s").exists(), "what was made before the error is removed"
    with emulator.connect() as client:
        assert client.read("dev_feat") == 0x0F


def test_socket_of_a_dead_emulator_is_replaced(tmp_path: Path) -> None:
    for name in "sc":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / name))
    alive = Running(tmp_path).start()
    assert alive.stop() == 0


def test_path_too_long(tmp_path: Path) -> None:
    done = run("--socket", "/" + "x" * 200, "--control", str(tmp_path / "c"))
    assert "too long (201 bytes, maximum 107" in sentence(done)


def test_path_in_no_folder(tmp_path: Path) -> None:
    done = run("--socket", str(tmp_path / "no" / "s"), "--control", str(tmp_path / "c"))
    assert f"folder {tmp_path / 'no'} does not exist" in sentence(done)


def test_path_not_writable() -> None:
    done = run("--socket", "/proc/s", "--control", "/proc/c")
    assert "cannot create the vfio-user socket /proc/s: " in sentence(done)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--set", "thresh_us"), "REGISTER=VALUE"),
        (("--set", "no_such=1"), "REGISTER=VALUE"),
        (("--set", "thresh_us=lots"), "not a number"),
        (("--set", "thresh_us=0x100000000"), "0xffffffff"),
        (("--offset-ns", "x"), "invalid"),
        (("--offset-ns", str(1 << 70)), "64 bits"),
        (("--noise-ns", "-1"), "negative"),
        (("--drift-ppb", "1e12"), "ppb"),
        (("--drift-ppb", "nan"), "ppb"),
        (("--bar0-size", "1000"), "power of two"),
        (("--bar0-kind", "paper"), "invalid choice"),
        (("--vectors", "33"), "0 to 32"),
        (("--msix-bar", "1"), "BAR 0, 2"),
        (("--msix-bar", "0", "--bar0-size", "64"), "cannot hold"),
        (("--nonsense",), "unrecognized"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    done = run("--socket", str(tmp_path / "s"), "--control", str(tmp_path / "c"), *arguments)
    assert word in sentence(done)
    assert not list(tmp_path.iterdir())


def test_both_sockets_at_one_path(tmp_path: Path) -> None:
    done = run("--socket", str(tmp_path / "s"), "--control", str(tmp_path / "." / "s"))
    assert "must differ" in sentence(done)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_with_a_client(start: Start, number: signal.Signals) -> None:
    running = start()
    with running.connect() as client:
        client.bring_up()
        assert running.stop(number) == 0
        assert client.is_closed()
    assert not list(running.folder.iterdir())


def test_sockets_are_for_this_user_alone(emulator: Running) -> None:
    for path in (emulator.socket, emulator.control_socket):
        assert path.stat().st_mode & 0o777 == 0o600


def test_clock_arguments(start: Start) -> None:
    control = start("--offset-ns", "-5", "--drift-ppb", "2.5", "--noise-ns", "9").control()
    clock = control.do("status")["clock"]
    assert (clock["drift_ppb"], clock["noise_ns"]) == (2.5, 9)
    assert control.do("truth", at_ns=clock["anchor_ns"])["offset_ns"] == -5
    control.close()


PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), child.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    arguments = command(
        "--socket", str(tmp_path / "s"), "--control", str(tmp_path / "c"), "--die-with-parent"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline().split()[-1])
    watch = os.pidfd_open(pid)
    try:
        with Client(tmp_path / "s") as client:
            client.bring_up()
            parent.kill()
            parent.communicate()
            ended, _, _ = select.select([watch], [], [], PATIENCE_S)
            assert ended
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watch, signal.SIGKILL)
        os.close(watch)
    assert not list(tmp_path.iterdir())
