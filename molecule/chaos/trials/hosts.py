# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host: its time daemon, its driver, what chronyd selects."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fleet import LabError, Node
from fleet.errors import TimeoutExpiredError
from fleet.waiting import until

from . import collection

SCRIPT = (Path(__file__).parent / "host_state.sh").read_text(encoding="utf-8")
DAEMON_SECONDS = 120
SETTLE_SECONDS = 120
# By then a daemon that fails at once and is restarted repeatedly has another process.
_PACE_SECONDS = 3
_TEXTS = ("loaded", "installed", "selected", "dpkg", "dkms", "servers")


@dataclass(frozen=True)
class State:
    """What a rollout changes on a host."""

    daemons: tuple[str, ...] = ()
    loaded: str = ""
    installed: str = ""
    selected: str = ""
    dpkg: str = ""
    dkms: str = ""
    # NTP servers of the former daemon in chrony's configuration.
    servers: str = ""
    # Processes of the daemons; no part of the comparison.
    pids: tuple[str, ...] = field(default=(), compare=False)

    def differences(self, other: "State") -> str:
        """Fields in which two states differ."""
        names = ("daemons", *_TEXTS)
        return "; ".join(
            f"{name}: {getattr(self, name)!r}, not {getattr(other, name)!r}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        )


def parse(text: str) -> State:
    """The state that the script printed."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
    daemons = [value.partition(":") for key, _, value in pairs if key == "daemon"]
    single = {key: value.strip() for key, _, value in pairs}
    return State(
        daemons=tuple(name for name, _, _ in daemons),
        pids=tuple(pid for _, _, pid in daemons),
        **{key: single.get(key, "") for key in _TEXTS},
    )


def read(node: Node) -> State:
    """The state of a host now."""
    return parse(node.login.run("sh", "-s", collection.MODULE, stdin=SCRIPT, check=False).stdout)


def wait_daemon(node: Node, seconds: float = DAEMON_SECONDS) -> float | None:
    """Seconds until a time daemon ran steadily, or None if none did."""
    started_s = time.monotonic()
    last: State | None = None

    def steady() -> bool:
        nonlocal last
        before, last = last, read(node)
        return before is not None and bool(set(before.pids) & set(last.pids))

    try:
        until(steady, seconds, f"a time daemon on {node.name}", pace=_PACE_SECONDS)
    except (TimeoutExpiredError, LabError):
        return None
    return time.monotonic() - started_s


def wait_until(
    node: Node, accept: Callable[[State], bool], seconds: float = SETTLE_SECONDS
) -> State:
    """The state of a host as soon as it is accepted, or after this time."""
    last = read(node)

    def accepted() -> bool:
        nonlocal last
        last = read(node)
        return accept(last)

    if not accept(last):
        with contextlib.suppress(TimeoutExpiredError):
            until(accepted, seconds, f"state of {node.name}", pace=_PACE_SECONDS)
    return last


def wait_state(node: Node, wanted: State) -> State:
    """The state of a host as soon as it is the wanted one, or after a while."""
    return wait_until(node, lambda state: state == wanted)
