# SPDX-License-Identifier: GPL-3.0-or-later
"""One host with its saved disks, and complete rollouts to compare interrupted ones with."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fleet import Lab, LabError, Node, disk, inventory
from fleet import paths as lab_paths

from . import collection, hosts
from .hosts import State
from .rollout import Moment, Rollout, Step, Trigger

ROLLOUT_SECONDS = 1800
# Ansible's temporary files go to memory, so that they still fit if the disk is full. timesyncd gets
# a server that chronyd must take over.
PREPARE = r"""
set -eu
printf '[Time]\nNTP=192.0.2.10\n' >/etc/systemd/timesyncd.conf
if ! systemctl is-active --quiet tmp.mount; then
  [ -e /usr/lib/systemd/system/tmp.mount ] || cp /usr/share/systemd/tmp.mount /etc/systemd/system/
  systemctl daemon-reload
  systemctl add-wants local-fs.target tmp.mount
  systemctl start tmp.mount
fi
"""

Report = Callable[[str], None]


@dataclass
class Reference:
    """A rollout without interruption: disk, duration, steps, and the states before and after."""

    point: str
    old: State
    new: State
    seconds: float
    steps: list[Step] = field(default_factory=list)
    # Steps that started, in order, and the seconds since the start of the rollout.
    starts: list[tuple[str, float]] = field(default_factory=list)

    @classmethod
    def load(cls, saved: dict[str, Any]) -> "Reference":
        """A reference from the JSON of `asdict`."""
        # JSON has lists instead of tuples.
        states: list[dict[str, Any]] = [
            {key: tuple(value) if isinstance(value, list) else value for key, value in each.items()}
            for each in (saved["old"], saved["new"])
        ]
        old, new = (State(**each) for each in states)
        steps = [Step(**step) for step in saved["steps"]]
        starts = [(step, seconds) for step, seconds in saved["starts"]]
        return cls(saved["point"], old, new, saved["seconds"], steps, starts)

    def moment(self, fraction: float) -> Moment:
        """The moment at this part of the rollout's time, between 0 and 1.

        A rollout takes longer on a busy machine, so a number of seconds is no point of it.
        """
        seconds = fraction * self.seconds
        passed = [start for start in self.starts if start[1] <= seconds]
        step, began_s = passed[-1] if passed else ("", 0.0)
        return Moment(step, seconds - began_s)


class PreparationError(Exception):
    """A rollout without interruption fails, so there is nothing to compare with."""


class Bench:
    """One host of the lab."""

    def __init__(
        self, lab: Lab, node: Node, folder: Path, variables: dict[str, Any], report: Report
    ) -> None:
        self.lab = lab
        self.node = node
        self.image = node.state.image
        self.folder = folder
        self.variables = variables
        self.report = report
        self.references: dict[str, Reference] = {}
        self.inventory = folder / f"{node.name}.yml"
        self.inventory.write_text(inventory.yaml([node]), encoding="utf-8")
        self._runs = 0
        self._current: Rollout | None = None

    def command(self, *words: str) -> list[str]:
        """A `lab` command line for this host's lab."""
        return [str(lab_paths.LAB_DIR / "lab"), "--lab", self.lab.name, *words]

    def rollout(
        self,
        label: str,
        variables: dict[str, Any] | None = None,
        trigger: Trigger | None = None,
    ) -> Rollout:
        """Start a rollout on this host."""
        self._runs += 1
        log = self.folder / f"{self.image}-{self._runs:04d}-{label}.log"
        merged = {**self.variables, **(variables or {})}
        self._current = Rollout(self.node.name, self.inventory, log, merged, trigger)
        return self._current

    def begin(self, point: str, without: tuple[str, ...] = ()) -> str:
        """Start the host from a saved disk, also if it is running; return systemd's state."""
        self.node.machine.cut_power()
        disk.restore(self.node, point)
        self.lab.fault(self.node.name, "clear")
        return self.node.power_on(without)

    def save(self, point: str) -> None:
        """Save the host's disk and start it again."""
        self.node.shut_down()
        disk.save(self.node, point)
        self.node.power_on()

    def prepare(
        self, names: Iterable[str], old_driver: dict[str, Any], saved: Path | None = None
    ) -> None:
        """Make the references of these names, and save the disks that the tries start from.

        With `saved`, the references of an earlier run in that file are used, and new ones added.
        """
        if saved is not None and saved.exists():
            content = json.loads(saved.read_text(encoding="utf-8"))
            self.references = {name: Reference.load(each) for name, each in content.items()}
        if "fresh" not in disk.points(self.node):
            self.node.login.run("sh", "-s", stdin=PREPARE)
            self.save("fresh")
        for name in names:
            if name in self.references:
                self.report(f"{self.image}: {name!r} was prepared by an earlier run")
                continue
            if name == "first":
                self.references[name] = self._reference("fresh", name)
                self.save("new")
            else:
                self.begin("fresh")
                self._complete("old", old_driver)
                self.save("old")
                self.references[name] = self._reference("old", name)
            if saved is not None:
                new = saved.with_name(f"{saved.name}.new")
                content = {name: asdict(each) for name, each in self.references.items()}
                new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
                new.rename(saved)

    def _complete(self, label: str, variables: dict[str, Any] | None = None) -> Rollout:
        with self.rollout(label, variables) as run:
            if not run.wait(ROLLOUT_SECONDS) or run.status != 0:
                raise PreparationError(
                    f"{self.image}: the rollout {label!r} fails without an interruption: "
                    f"{run.problem() or 'it did not end'}. See {run.log}"
                )
        return run

    def _reference(self, point: str, label: str) -> Reference:
        self.begin(point)
        # The fresh host has a time daemon, the one with the old driver also selects its clock.
        wanted = "daemons" if point == "fresh" else "selected"
        old = hosts.wait_until(self.node, lambda state: bool(getattr(state, wanted)))
        if not old.daemons:
            raise PreparationError(
                f"{self.image}: no time daemon runs before the rollout {label!r}."
            )
        archives = collection.archives(self.variables)
        run, seconds = self._timed(label)
        if collection.archives(self.variables) != archives:
            # This rollout compiled the driver; the tries do not.
            self.begin(point)
            run, seconds = self._timed(label)
        new = hosts.wait_until(self.node, lambda state: bool(state.selected))
        if not new.selected:
            raise PreparationError(f"{self.image}: chronyd selects no clock after {label!r}.")
        steps = run.steps()
        writing = sum(step.writes for step in steps)
        self.report(
            f"{self.image}: a rollout from {point!r} takes {seconds:.0f} s, {len(steps)} steps, "
            f"{writing} of them write"
        )
        starts = [(step, at_s - run.started_s) for step, at_s in run.starts()]
        return Reference(point, old, new, seconds, steps, starts)

    def _timed(self, label: str) -> tuple[Rollout, float]:
        started_s = time.monotonic()
        run = self._complete(label)
        return run, time.monotonic() - started_s

    def logs(self) -> str:
        """Where the logs of the last try are."""
        return f"{self.folder}/{self.image}-{self._runs:04d}-*"

    def end(self) -> None:
        """End the current rollout and the machine, so that every wait for them ends."""
        if self._current is not None:
            self._current.kill()
        try:
            self.node.machine.cut_power()
        except LabError as error:
            self.report(str(error))
