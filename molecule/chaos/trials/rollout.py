# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts as a user runs them, in a process that can be killed at any moment."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.waiting import until

from . import collection

CALLBACKS = Path(__file__).resolve().parents[1] / "callback_plugins"
SSH_ARGS = (
    "-o ControlMaster=auto -o ControlPersist=120s "
    "-o ServerAliveInterval=10 -o ServerAliveCountMax=4"
)
REACH_SECONDS = 1800
INSTALLERS = ("apt", "package", "dnf", "dpkg")


@dataclass(frozen=True)
class Step:
    """One step of a complete rollout."""

    name: str
    action: str
    changed: bool
    delegated: bool

    @property
    def writes(self) -> bool:
        """Whether it changed the host, which needs space on its disk."""
        return self.changed and not self.delegated

    @property
    def installs(self) -> bool:
        """Whether it installed packages."""
        return self.writes and self.action.rpartition(".")[2] in INSTALLERS


@dataclass(frozen=True)
class Trigger:
    """A command that runs right before a step starts."""

    step: str
    command: Sequence[str]


@dataclass(frozen=True)
class Moment:
    """A moment of a rollout: seconds after the start of a step; without a step, of the rollout."""

    step: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s after the start of {self.step or 'the rollout'}"


class Rollout:
    """One run of the rollout on one host."""

    def __init__(
        self,
        host: str,
        inventory: Path,
        log: Path,
        variables: dict[str, Any],
        trigger: Trigger | None = None,
    ) -> None:
        self.host = host
        self.log = log
        self.steps_path = log.with_suffix(".steps")
        self.steps_path.unlink(missing_ok=True)
        # A path of a socket may have 107 bytes, so not beside the log.
        self._sockets = tempfile.mkdtemp(prefix="chaos-")
        command = ["ansible-playbook", "-i", str(inventory), "--limit", host, collection.ROLLOUT]
        command += ["-e", f"@{collection.LIMITS}", "-e", json.dumps(variables)]
        self.started_s = time.monotonic()
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=collection.ROOT,
                env=self._environment(trigger),
                start_new_session=True,
            )

    def _environment(self, trigger: Trigger | None) -> dict[str, str]:
        own = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "chaos_steps",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": self._sockets,
            # A lost connection is a result here, not something to retry. ssh notices it after 40 s.
            "ANSIBLE_SSH_RETRIES": "0",
            "ANSIBLE_SSH_ARGS": SSH_ARGS,
            # On a full disk only writes of the playbook must fail, not Ansible's own files.
            "ANSIBLE_REMOTE_TMP": "/dev/shm/ansible",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOLOR": "1",
            "CHAOS_STEPS": str(self.steps_path),
        }
        if trigger is not None:
            own |= {"CHAOS_AT": trigger.step, "CHAOS_COMMAND": json.dumps(list(trigger.command))}
        return {**os.environ, **own}

    def __enter__(self) -> "Rollout":
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def wait(self, seconds: float) -> bool:
        """Whether the run ended within this time."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def reach(self, moment: Moment) -> bool:
        """Wait until this moment, or until the next step starts; whether the run ended before."""

        def reached() -> bool:
            if self._process.poll() is not None:
                return True
            starts = self.starts()
            names = [name for name, _ in starts]
            if moment.step and moment.step not in names:
                return False
            number = names.index(moment.step) if moment.step else -1
            began_s = starts[number][1] if moment.step else self.started_s
            return number + 1 < len(starts) or time.monotonic() >= began_s + moment.seconds

        until(reached, REACH_SECONDS, f"{moment.step} starts", pace=0.1)
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill the controller and all its processes, as if its machine failed."""
        if self._process.poll() is None:
            for pid in [*descendants(self._process.pid), self._process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()

    @property
    def status(self) -> int | None:
        return self._process.poll()

    @property
    def reached(self) -> str:
        """The last step that had started."""
        starts = self.starts()
        return starts[-1][0] if starts else "(no step)"

    def starts(self) -> list[tuple[str, float]]:
        """Steps that have started, in order, with the time of the monotonic clock."""
        return [
            (str(entry["step"]), float(entry["at_s"]))
            for entry in self._entries()
            if entry["event"] == "start"
        ]

    def steps(self) -> list[Step]:
        """Steps that succeeded, in order."""
        return [
            Step(entry["step"], entry["action"], entry["changed"], entry["delegated"])
            for entry in self._entries()
            if entry["event"] == "ok"
        ]

    def triggered(self) -> str | None:
        """None if the trigger's command did not run, else its error, empty if it succeeded."""
        for entry in self._entries():
            if entry["event"] == "command":
                return str(entry["error"]).strip() if entry["status"] else ""
        return None

    def _entries(self) -> list[dict[str, Any]]:
        try:
            lines = self.steps_path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            # The last one may be cut, like the run.
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
        return entries

    def problem(self) -> str:
        """The first failure that the log shows, or nothing."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^.*(?:\[ERROR\]|fatal:|UNREACHABLE).*$", text, re.MULTILINE)
        return found[0].strip()[:200] if found else ""


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and those that these started."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found
