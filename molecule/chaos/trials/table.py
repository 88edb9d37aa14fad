# SPDX-License-Identifier: GPL-3.0-or-later
"""The result: a row for each kind."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from .kinds import Outcome


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, int, int, int, int]]:
    """Kind, tries, hosts without a time daemon afterwards, clean reruns, hosts in neither state."""
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    found = []
    for kind in kinds:
        of_kind = [outcome for outcome in outcomes if outcome.kind == kind]
        found.append((
            kind,
            len(of_kind),
            sum(outcome.daemon_s is None for outcome in of_kind),
            sum(outcome.clean for outcome in of_kind),
            sum(outcome.state not in ("old", "new") for outcome in of_kind),
        ))  # fmt: skip
    return found


def passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether there was a try, every host kept its time and every rerun ended clean."""
    return bool(outcomes) and all(
        outcome.daemon_s is not None and outcome.clean for outcome in outcomes
    )


def table(outcomes: Sequence[Outcome]) -> Table:
    """The rows for a terminal."""
    shown = Table(title="Interrupted rollouts")
    shown.add_column("kind", no_wrap=True)
    for title in (
        "tries",
        "hosts without a time daemon",
        "reruns that ended clean",
        "hosts in neither state",
    ):
        shown.add_column(title, justify="right")
    for row in rows(outcomes):
        shown.add_row(*map(str, row))
    return shown


def load(path: Path) -> list[Outcome]:
    """The tries in a file, or none if there is no file."""
    if not path.exists():
        return []
    return [Outcome(**each) for each in json.loads(path.read_text(encoding="utf-8"))["tries"]]


def save(outcomes: Sequence[Outcome], seed: int, path: Path) -> None:
    """Write every try to a file."""
    new = path.with_name(f"{path.name}.new")
    content = {"seed": seed, "tries": [asdict(outcome) for outcome in outcomes]}
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    new.rename(path)
