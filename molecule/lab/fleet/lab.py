# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a whole: start all machines or none, query them, and end them in any state."""

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Any

from . import (
    accel,
    functions,
    host,
    images,
    inventory,
    keys,
    paths,
    platforms,
    ports,
    process,
    qemu,
)
from . import state as lab_state
from .build import locked
from .control import Control
from .errors import LabError, UsageError
from .node import Node
from .progress import Say, say

# More boots at once than processors only delay all of them.
BOOTS_AT_ONCE = 3
MOST_NODES = 32
_OVERLAY_MIB = 300


class Lab:
    """A lab with a name. Several can run at the same time."""

    def __init__(self, name: str = "main", say_line: Say = say) -> None:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"{name!r} is not a lab's name: use letters, digits, - and _ only.")
        self.name = name
        self.say = say_line
        self.folder = paths.lab_state(name)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def up(
        self,
        count: int,
        *,
        images_named: Sequence[str] = (),
        function_count: int = 2,
        vcpus: int = 1,
        memory: int = 1024,
        devices: Sequence[str] = (),
        ssh_port: int | None = None,
    ) -> list[Node]:
        """Boot `count` guests and return when all are ready. If one fails, all are ended."""
        if not 1 <= count <= MOST_NODES:
            raise UsageError(f"A lab can have 1 to {MOST_NODES} machines, not {count}.")
        if not 1 <= vcpus <= 16:
            raise UsageError(f"A machine can have 1 to 16 virtual CPUs, not {vcpus}.")
        if not 256 <= memory <= 65536:
            raise UsageError(f"A machine can have 256 to 65536 MiB of memory, not {memory}.")
        functions.names(function_count)
        host.require("ssh", "ssh-keygen")
        with self._locked():
            self._refuse_second()
            self._end_leftovers()
            chosen = images_named or images.default_names(count)
            ready = images.ensure(chosen, self.say)
            kinds = {platforms.platform_of(image.architecture) for image in ready.values()}
            accelerators = {accel.choose(qemu.find(self.say, kind), kind) for kind in kinds}
            host.make_folder(self.folder)
            host.require_space(self.folder, _OVERLAY_MIB * count, f"A lab of {count}")
            numbers = ports.from_base(ssh_port, count) if ssh_port else ports.free(count)
            content = lab_state.LabState(private_key=str(keys.private_key()))
            for index in range(count):
                image = ready[chosen[index % len(chosen)]]
                content.nodes.append(
                    lab_state.NodeState(
                        name=f"node{index + 1}",
                        image=image.name,
                        kernel=str(image.kernel),
                        initrd=str(image.initrd),
                        backing=str(image.disk),
                        host_key=image.host_key,
                        ssh_port=numbers[index],
                        memory=memory,
                        vcpus=vcpus,
                        functions=list(functions.names(function_count)),
                        devices=list(devices),
                        architecture=image.architecture,
                    )
                )
            for kept in self.folder.glob("failed-*.log"):
                kept.unlink()
            # Before anything starts, so that `down` finds everything if this process is killed.
            lab_state.save(self.folder, content)
            named = ", ".join(node.image for node in content.nodes)
            self.say(f"Booting {count} ({', '.join(sorted(accelerators))}): {named}")
            try:
                nodes = self._nodes(content)
                self._boot(nodes)
            except BaseException:
                self.say("Ending everything that was started")
                self._keep_consoles()
                self._end_leftovers()
                raise
            return nodes

    def _boot(self, nodes: list[Node]) -> None:
        cancelled = threading.Event()

        def boot(node: Node) -> float:
            started = time.monotonic()
            if not cancelled.is_set():
                node.create()
                node.start()
                node.wait_ready(cancelled)
            return time.monotonic() - started

        with ThreadPoolExecutor(max_workers=BOOTS_AT_ONCE) as pool:
            try:
                waiting = {pool.submit(boot, node): node for node in nodes}
                for done in as_completed(waiting):
                    self.say(f"{waiting[done].name} is ready after {done.result():.0f} s")
            except BaseException:
                # Report the first failure. The other waits end now instead of at their timeout.
                cancelled.set()
                for node in nodes:
                    with contextlib.suppress(LabError):
                        node.stop()
                raise

    def down(self) -> None:
        """End everything of this lab and remove its state. It is no error if nothing runs."""
        if not self.folder.exists():
            return
        with self._locked():
            self._end_leftovers()

    def _keep_consoles(self) -> None:
        """Keep the consoles' output after the machines have ended, to find out why."""
        for console in self.folder.glob("*/console.log"):
            kept = self.folder / f"failed-{console.parent.name}.log"
            with contextlib.suppress(OSError):
                console.replace(kept)
                self.say(f"The console output of {console.parent.name} is in {kept}")

    def _end_leftovers(self) -> None:
        """End processes by their pidfiles, which also works if the state is damaged."""
        troubles = []
        # Machines first: one that loses its emulator would wait for answers.
        pidfiles = sorted(self.folder.glob("*/*.pid"), key=lambda path: path.name != "qemu.pid")
        for pidfile in pidfiles:
            try:
                process.stop(pidfile)
            except LabError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        for entry in self.folder.iterdir() if self.folder.exists() else ():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name.startswith("state.json"):
                entry.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        host.make_folder(self.folder)
        with locked(
            self.folder / ".lock",
            lambda: self.say(f"Waiting for another command of lab {self.name}"),
        ):
            yield

    def _refuse_second(self) -> None:
        try:
            running = [node.name for node in self.nodes() if node.machine.running]
        except LabError:
            return
        if running:
            raise LabError(
                f"Lab {self.name} is up already: {', '.join(running)}.",
                "End it with `lab down`, or use another one with --lab NAME.",
            )

    def _nodes(self, content: lab_state.LabState) -> list[Node]:
        key = Path(content.private_key)
        found = {
            each.architecture: qemu.find(self.say, platforms.platform_of(each.architecture))
            for each in content.nodes
        }
        return [
            Node(each, self.folder / each.name, key, found[each.architecture])
            for each in content.nodes
        ]

    def nodes(self) -> list[Node]:
        """The guests of this lab."""
        content = lab_state.load(self.folder)
        if content is None:
            raise LabError(f"Lab {self.name} is not up.", "Start it with `lab up 1`.")
        return self._nodes(content)

    def node(self, name: str) -> Node:
        """One guest by its name."""
        nodes = self.nodes()
        for node in nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in nodes)
        raise UsageError(f"Lab {self.name} has no machine {name}. Machines: {known}.")

    def reboot(self, name: str, kernel: str | None = None) -> None:
        """Restart a guest, optionally with a kernel that is installed in it."""
        node = self.node(name)
        node.reboot(kernel)
        with self._locked():
            content = lab_state.load(self.folder)
            assert content is not None
            content.nodes = [node.state if n.name == name else n for n in content.nodes]
            lab_state.save(self.folder, content)

    def ssh(
        self, name: str, *command: str, seconds: float = 120, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in a guest."""
        return self.node(name).login.run(*command, seconds=seconds, check=check)

    def control(self, target: str) -> Control:
        """Client for NAME or NAME/FUNCTION."""
        name, _, function = target.partition("/")
        return self.node(name).control(function or None)

    def fault(self, target: str, what: str, on: bool = True, **parameters: Any) -> None:
        """Start or end a fault of NAME or NAME/FUNCTION; also "unplug", "plug" and "clear"."""
        name, _, function = target.partition("/")
        node = self.node(name)
        chosen = node.function_name(function or None)
        if chosen == functions.REFERENCE:
            raise UsageError(
                f"{chosen} is the reference and accepts no faults.",
                f"Use another function, such as {name}/{functions.PRIMARY}.",
            )
        if what == "unplug":
            node.machine.unplug(chosen)
        elif what == "plug":
            node.machine.plug(chosen)
        elif what == "clear":
            node.control(chosen).clear()
        else:
            node.control(chosen).fault(what, on, **parameters)

    def inventory(self) -> dict[str, Any]:
        """Inventory for Ansible, in the form of an inventory script."""
        return inventory.script(self.nodes())

    def status(self) -> list[dict[str, Any]]:
        """State of each guest and its functions."""
        return [_status(node) for node in self.nodes()]


def _status(node: Node) -> dict[str, Any]:
    running = node.machine.running
    shown: dict[str, Any] = {
        "name": node.name,
        "image": node.state.image,
        "running": running,
        "ssh_port": node.state.ssh_port,
        # Only one attempt, so with a long timeout: the host may be busy.
        "ssh_answers": running and node.login.greets(15),
        "folder": str(node.folder),
        "functions": [],
    }
    for function in node.functions:
        entry: dict[str, Any] = {
            "name": function.name,
            "pci_address": function.pci_address,
            "control": str(function.control),
        }
        try:
            entry["emulator"] = Control(function.control, 5).status()
        except LabError as error:
            entry["error"] = error.message
        shown["functions"].append(entry)
    return shown
