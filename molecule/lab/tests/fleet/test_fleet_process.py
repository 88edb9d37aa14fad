# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting processes, and ending only those of the lab."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fleet import process
from fleet.process import Process
from fleet.waiting import until

FOREVER = ["tail", "-f", "/dev/null"]
STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ignoring", flush=True)
while True:
    signal.pause()
"""

# The main thread ends first and the other one keeps the files open, as those of QEMU may when it is
# killed.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1,)).start()
print("sleeping", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_is_started_and_ended(tmp_path: Path) -> None:
    running = process.spawn(FOREVER, tmp_path / "it.pid", tmp_path / "log")
    assert running.alive()
    assert process.load(tmp_path / "it.pid") == running
    process.stop(tmp_path / "it.pid")
    assert not running.alive()
    assert not (tmp_path / "it.pid").exists()
    process.stop(tmp_path / "it.pid")


def test_a_process_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    running = process.spawn(["true"], tmp_path / "it.pid", tmp_path / "log")
    assert running.wait(30)
    assert not running.alive()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUBBORN]
    running = process.spawn(command, tmp_path / "it.pid", tmp_path / "log")
    until(lambda: "ignoring" in (tmp_path / "log").read_text(), 30, "it runs")
    running.stop(seconds=0.1)
    assert not running.alive()


def test_a_process_has_ended_only_when_its_last_thread_has(tmp_path: Path) -> None:
    running = process.spawn([sys.executable, "-c", HEADLESS], tmp_path / "it.pid", tmp_path / "log")
    stat = Path(f"/proc/{running.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", 30, "it has no leader")
    assert len(list(Path(f"/proc/{running.pid}/task").iterdir())) == 2
    assert running.alive()
    assert running.wait(30)
    assert not running.alive()


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_a_stale_pidfile_ends_no_other_process(tmp_path: Path, change: dict[str, object]) -> None:
    bystander = subprocess.Popen(FOREVER)
    try:
        named = process.spawn(["true"], tmp_path / "other.pid", tmp_path / "log")
        until(lambda: not named.alive(), 30, "it ended")
        honest = _process_of(bystander.pid)
        assert honest.alive()
        stale = replace(honest, **change)  # type: ignore[arg-type]
        assert not stale.alive()
        pidfile = tmp_path / "it.pid"
        pidfile.write_text(json.dumps(vars(stale)), encoding="ascii")
        process.stop(pidfile)
        assert bystander.poll() is None
        assert not pidfile.exists()
    finally:
        bystander.kill()
        bystander.wait()


def _process_of(pid: int) -> Process:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Process(pid, int(fields[19]), boot)


@pytest.mark.parametrize("text", ["", "12", "[1, 2]", '{"pid": 1}', "\xff", '{"pid":1,"x":2}'])
def test_an_unreadable_pidfile_is_removed(tmp_path: Path, text: str) -> None:
    pidfile = tmp_path / "it.pid"
    pidfile.write_text(text, encoding="latin-1")
    process.stop(pidfile)
    assert not pidfile.exists()


def test_a_missing_program_leaves_no_pidfile(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.spawn([str(tmp_path / "none")], tmp_path / "it.pid", tmp_path / "log")
    assert not (tmp_path / "it.pid").exists()


def test_a_process_that_cannot_be_recorded_is_ended(tmp_path: Path) -> None:
    marker = str(tmp_path / "marker")
    command = ["tail", "-f", "/dev/null", marker]
    with pytest.raises(FileNotFoundError):
        process.spawn(command, tmp_path / "none" / "it.pid", tmp_path / "log")
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _mine(path)]
    assert not any(os.fsencode(marker) in command for command in commands)


def _mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid() and bool(path.read_bytes())
    except OSError:
        return False
