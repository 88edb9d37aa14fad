# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts. Two of them have roots of their own, and their replies are replayed for a fleet.

The program `ssh` beside this file takes the place of ssh. A play is recorded once with two hosts
that run the real modules. Then it runs with any number of hosts that only print the recorded
replies, so that almost all CPU time measured is that of the controller.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unit.playbooks.fleet import ROOT, SIM, Fleet, Host

SSH = Path(__file__).with_name("ssh")
RECORDED = 2
# Facts age while a long play runs, so a replay has the time of the reply.
TIMES = re.compile(r'"(taken_at_s|ref_time_s)": [0-9.]+')
OPTIONS = {"cipu_driver_install_packages": False, "cipu_rollout_batches": "100%"}
# Name of a run -> playbook, arguments, whether the hosts are after their first rollout.
PLAYS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "ping": ("ping.yml", (), False),
    "setup": ("setup.yml", (), False),
    "audit": ("cipu.clock.audit", (), True),
    "idle rollout": ("cipu.clock.rollout", (), True),
    "first rollout, check mode": ("cipu.clock.rollout", ("--check",), False),
}
MODULE_PLAY = """
- hosts: all
  gather_facts: false
  strategy: {}
  tasks:
    - ansible.builtin.{}:
"""


class BenchError(Exception):
    """A play failed, so its figures are worth nothing. The message names the play."""


def name_of(number: int) -> str:
    return f"host{number:05}"


def set_strategy(fleet: Fleet, strategy: str) -> None:
    """Change the playbooks of a fleet. Hosts record their checksum, so linear is what is there."""
    for path in (fleet.collection / "playbooks").glob("*.yml"):
        text = (ROOT / "playbooks" / path.name).read_text()
        if strategy != "linear":
            text = re.sub(r"^  strategy: .*$", f"  strategy: {strategy}", text, flags=re.MULTILINE)
        path.write_text(text)


class SimulatedHosts:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fleet = Fleet(folder)
        self.strategy = "linear"
        self.extra: dict[str, str] = {}
        # The host after its first rollout, by the strategy of the playbooks that it has recorded.
        self.finished: dict[str, Host] = {}
        shutil.copy(SSH, folder / "ssh")
        (folder / "enter").symlink_to(SIM / "enter")
        for part in ("replies", "count", "hosts"):
            (folder / part).mkdir(exist_ok=True)
        self.use("linear")

    def inventory(self, count: int) -> None:
        variables = {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(self.folder / "ssh"),
            "ansible_ssh_transfer_method": "piped",
        }
        hosts: dict[str, dict[str, str]] = {name_of(number): {} for number in range(count)}
        text = json.dumps({"all": {"hosts": hosts, "vars": variables}})
        (self.folder / "inventory.json").write_text(text)

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode + "\n")
        shutil.rmtree(self.folder / "count")
        (self.folder / "count").mkdir()

    def use(self, strategy: str) -> None:
        """Set the strategy of every play, since the playbooks name theirs."""
        self.strategy = strategy
        set_strategy(self.fleet, strategy)
        for module in ("ping", "setup"):
            (self.folder / f"{module}.yml").write_text(MODULE_PLAY.format(strategy, module))

    def command(self, run: str) -> list[str]:
        playbook, arguments, _ = PLAYS[run]
        program = [self.fleet.python, "-m", "ansible", "playbook", "-i", "inventory.json"]
        extra = ["-e", json.dumps(OPTIONS)] if "rollout" in run else []
        return [*program, playbook, *extra, *arguments]

    def environment(self, forks: int) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "ANSIBLE" not in name}
        # A user's controller keeps compiled Python files. On a busy machine mitogen needs longer
        # than Ansible's 10 s to connect.
        own = {
            "ANSIBLE_FORKS": str(forks),
            "ANSIBLE_TIMEOUT": "300",
            "PYTHONDONTWRITEBYTECODE": "",
            # The audit writes its report there.
            "PWD": str(self.folder),
        }
        return {**kept, **self.fleet.settings(), **own, **self.extra}

    @contextmanager
    def real(self, count: int, finished: bool) -> Iterator[None]:
        """Hosts with roots of their own, in which the real modules run."""
        for number in range(count):
            host = self.fleet.add(name_of(number))
            if finished:
                host.copy(self.after_rollout())
        self.inventory(count)
        self.mode("enter")
        try:
            yield
        finally:
            for host in self.fleet.hosts.values():
                shutil.rmtree(host.root)
            self.fleet.hosts.clear()

    def after_rollout(self) -> Host:
        """A host after its first rollout, to be copied."""
        if self.strategy not in self.finished:
            fleet = Fleet(self.folder / f"first-{self.strategy}")
            fleet.environment = self.extra
            set_strategy(fleet, self.strategy)
            host = fleet.add("first")
            done = fleet.play("rollout", **OPTIONS)
            if done.rc:
                raise BenchError(f"the rollout to the first host failed:\n{done.text[-3000:]}")
            self.finished[self.strategy] = host
        return self.finished[self.strategy]

    def record(self, run: str) -> None:
        for path in (self.folder / "replies").iterdir():
            path.unlink()
        with self.real(RECORDED, finished=PLAYS[run][2]):
            self.mode("record")
            done = subprocess.run(
                self.command(run),
                cwd=self.folder,
                env=self.environment(RECORDED),
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise BenchError(f"the recording of {run} failed:\n{done.stdout[-3000:]}{done.stderr}")
        for path in (self.folder / "replies").glob("host*[0-9]"):
            # What ssh carried can be binary, as a packed folder is.
            carried = path.read_text(errors="surrogateescape")
            path.write_text(TIMES.sub(r'"\1": @NOW@', carried), errors="surrogateescape")

    def replay(self, count: int) -> None:
        self.inventory(count)
        self.mode("replay")

    def check_replay(self, run: str, count: int) -> None:
        """Every host must have had as many connections as the recorded one that it stands for."""
        for number in range(count):
            name = name_of(number)
            recorded = name_of(min(number, RECORDED - 1))
            expected = len(list((self.folder / "replies").glob(f"{recorded}.*.status")))
            path = self.folder / "count" / name
            made = int(path.read_text()) if path.exists() else 0
            if made != expected:
                message = f"{run}: {name} had {made} connections, the recorded host {expected}"
                raise BenchError(message)
