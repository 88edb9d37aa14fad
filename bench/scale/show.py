# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the results."""

from typing import Any

import results as figures
from rich.table import Table

COLUMNS = ("run", "hosts", "forks", "wall s", "CPU s", "CPU ms/host", "pings", "peak MiB")


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left", no_wrap=True)
    return made


def label(run: figures.Run) -> str:
    return str(run["run"]) + (" (mitogen)" if run["strategy"] == "mitogen_linear" else "")


def number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def runs(results: dict[str, Any], part: str, title: str) -> Table | None:
    found = [run for run in results["runs"] if run["part"] == part]
    if not found:
        return None
    made = table(title, *COLUMNS)
    for run in found:
        made.add_row(
            label(run),
            str(run["hosts"]),
            str(run["forks"]),
            number(run["wall_s"], 1),
            number(run["cpu_s"], 1),
            number(1000 * run["cpu_s"] / run["hosts"], 1),
            number(figures.pings(results["runs"], run)),
            number(run["peak_kib"] / 1024, 1),
        )
    return made


def growth(results: dict[str, Any]) -> Table:
    columns = ("run", "exponent", "of the two largest", "KiB/host", "factor of KiB/host")
    made = table("Growth of CPU time and memory with the number of hosts", *columns)
    for name, found in results["growth"].items():
        keys = ("cpu", "cpu_largest", "memory_kib_per_host", "memory_factor")
        made.add_row(name, *(number(found.get(key)) for key in keys))
    return made


def comparison(results: dict[str, Any], kept: dict[str, Any]) -> Table:
    """Ratios of runs that both have. Pings compare releases that ran on different machines."""
    columns = ("run", "hosts", "forks", "wall", "CPU", "pings", "peak")
    made = table(f"{results['version']} compared with {kept['version']}", *columns)
    keys = ("part", "run", "hosts", "forks", "strategy")
    before = {tuple(run[key] for key in keys): run for run in kept["runs"]}
    for run in results["runs"]:
        old = before.get(tuple(run[key] for key in keys))
        if old is None:
            continue
        new_pings, old_pings = (
            figures.pings(results["runs"], run),
            figures.pings(kept["runs"], old),
        )
        made.add_row(
            label(run),
            str(run["hosts"]),
            str(run["forks"]),
            number(run["wall_s"] / old["wall_s"]),
            number(run["cpu_s"] / old["cpu_s"]),
            number(new_pings / old_pings if new_pings and old_pings else None),
            number(run["peak_kib"] / old["peak_kib"]),
        )
    return made
