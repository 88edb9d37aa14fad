# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that outlive the command that started them, and ending the right ones.

A pid alone is not enough, since another process may have it by the time it is read again. Together
with the boot id and the start time in ticks it identifies one process.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import LabError

# Kept so that a child of this process is reaped when it ends.
_CHILDREN: dict[int, "subprocess.Popen[bytes]"] = {}


@dataclass(frozen=True)
class Process:
    """One process, distinguished from any later one with the same pid."""

    pid: int
    started: int
    boot: str

    def alive(self) -> bool:
        child = _CHILDREN.get(self.pid)
        if child is not None and child.poll() is not None:
            del _CHILDREN[self.pid]
        return _start_time(self.pid) == self.started and _boot_id() == self.boot

    def wait(self, seconds: float) -> bool:
        """Whether it ended within this time."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            # Check after opening, so that the handle belongs to the process that is checked.
            if not self.alive():
                return True
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            ended = bool(poll.poll(seconds * 1000))
        finally:
            os.close(handle)
        return not self.alive() or ended

    def stop(self, seconds: float = 10) -> None:
        """End it, with SIGTERM first and SIGKILL later."""
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
            if not self.alive():
                return
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return
            except PermissionError as error:
                raise LabError(
                    f"Process {self.pid} of the lab belongs to another user.",
                    "Run the command as the user who started the lab.",
                ) from error
            if self.wait(patience):
                self.alive()
                return
        raise LabError(f"Process {self.pid} does not end after SIGKILL.")


def spawn(
    command: list[str], pidfile: Path, log: Path, environ: dict[str, str] | None = None
) -> Process:
    """Start a process in a session of its own and record it in a pidfile."""
    with log.open("ab") as sink:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
        )
    try:
        started = _start_time(child.pid)
        process = Process(child.pid, -1 if started is None else started, _boot_id())
        new = pidfile.with_suffix(".new")
        new.write_text(json.dumps(asdict(process)), encoding="ascii")
        new.rename(pidfile)
    except BaseException:
        # No later command could find and end it.
        child.kill()
        child.wait()
        raise
    _CHILDREN[child.pid] = child
    return process


def load(pidfile: Path) -> Process | None:
    """The process of a pidfile, or None if the pidfile cannot be read."""
    try:
        return Process(**json.loads(pidfile.read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return None


def stop(pidfile: Path, seconds: float = 10) -> None:
    """End the process of a pidfile, if it still runs, and remove the pidfile."""
    process = load(pidfile)
    if process is not None:
        process.stop(seconds)
    with contextlib.suppress(FileNotFoundError):
        pidfile.unlink()


def kill(pidfile: Path, seconds: float = 10) -> None:
    """Kill the process of a pidfile without giving it a chance to clean up."""
    process = load(pidfile)
    if process is not None and process.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        if not process.wait(seconds):
            raise LabError(f"Process {process.pid} does not end after SIGKILL.")
        # Reaps it where it is a child of this process.
        process.alive()
    with contextlib.suppress(FileNotFoundError):
        pidfile.unlink()


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The command's name is in brackets and may contain any character, also brackets.
    fields = stat.rpartition(")")[2].split()
    # A first thread that has ended stays until the others have, which keep files open and locked.
    ended = fields[0] == "Z" and int(fields[17]) <= 1
    return None if ended else int(fields[19])


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
