# SPDX-License-Identifier: GPL-2.0-or-later
"""checkpatch.pl --strict with a list of exceptions, each with its reason."""

import re
import subprocess
from pathlib import Path

_ALLOW = Path(__file__).resolve().parent / "checkpatch.allow"
# "FILE:LINE: LEVEL:TYPE: text", as --terse --show-types prints it.
_LINE = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): \w+:(?P<type>\w+): (?P<text>.*)$")


def allowed() -> dict[tuple[str, str], str]:
    """(type, file) -> reason."""
    entries = {}
    for line in _ALLOW.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            kind, name, reason = line.split("\t", 2)
            entries[kind, name] = reason
    return entries


def exceptions() -> str:
    return "\n".join(
        f"checkpatch exception: {kind} in {name}: {reason}"
        for (kind, name), reason in allowed().items()
    )


def run(script: Path, files: list[Path]) -> list[str]:
    """Run checkpatch.pl; returns its messages except the accepted ones."""
    command = ["perl", str(script), "--no-tree", "--strict", "--terse", "--show-types", "--file"]
    done = subprocess.run(
        [*command, *map(str, files)], capture_output=True, text=True, check=False, timeout=120
    )
    complaints = [f"checkpatch.pl failed: {done.stderr.strip()}"] if done.returncode > 1 else []
    unused = dict(allowed())
    for line in done.stdout.splitlines():
        said = _LINE.match(line)
        if said is None:
            continue
        key = said["type"], Path(said["file"]).name
        if key in allowed():
            unused.pop(key, None)
        else:
            complaints.append(line)
    complaints += [f"exception no longer needed: {kind} in {name}" for kind, name in unused]
    return complaints
