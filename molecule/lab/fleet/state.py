# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a running lab, in a file, so that any later command can find and end it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import LabError

_VERSION = 1


@dataclass
class NodeState:
    """One guest."""

    name: str
    image: str
    kernel: str
    initrd: str
    backing: str
    host_key: str
    ssh_port: int
    memory: int
    vcpus: int
    functions: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    architecture: str = "amd64"


@dataclass
class LabState:
    """All guests of a lab, and the key to log in to them."""

    private_key: str
    nodes: list[NodeState] = field(default_factory=list)


def save(folder: Path, state: LabState) -> None:
    """Write the state atomically."""
    new = folder / "state.json.new"
    content = {"version": _VERSION, **asdict(state)}
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    new.rename(folder / "state.json")


def load(folder: Path) -> LabState | None:
    """The saved state, or None if there is no lab."""
    path = folder / "state.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("version") != _VERSION:
            raise ValueError("written by another version")
        nodes = [NodeState(**node) for node in content.pop("nodes")]
        return LabState(nodes=nodes, **content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LabError(
            f"{path} is damaged: {error}.", "Run `lab down` to end the lab and remove the file."
        ) from error
