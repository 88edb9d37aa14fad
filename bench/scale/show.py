# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the results."""

from typing import Any

import results as figures
from rich.table import Table

PARTS = {
    "sizes": "Replies of recorded hosts",
    "forks": "5 and 50 forks",
    "mitogen": "Hosts that run the modules",
}
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


def rows(results: dict[str, Any], part: str) -> list[tuple[str, ...]]:
    """One row of COLUMNS for each run of a part."""
    return [
        (
            label(run),
            str(run["hosts"]),
            str(run["forks"]),
            number(run["wall_s"], 1),
            number(run["cpu_s"], 1),
            number(1000 * run["cpu_s"] / run["hosts"], 1),
            number(figures.pings(results["runs"], run)),
            number(run["peak_kib"] / 1024, 1),
        )
        for run in results["runs"]
        if run["part"] == part
    ]


def runs(results: dict[str, Any], part: str, title: str) -> Table | None:
    found = rows(results, part)
    if not found:
        return None
    made = table(title, *COLUMNS)
    for row in found:
        made.add_row(*row)
    return made


GROWTH_COLUMNS = ("run", "exponent", "of the two largest", "KiB/host", "factor of KiB/host")


def growth_rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    keys = ("cpu", "cpu_largest", "memory_kib_per_host", "memory_factor")
    return [
        (name, *(number(found.get(key)) for key in keys))
        for name, found in results["growth"].items()
    ]


def growth(results: dict[str, Any]) -> Table:
    made = table("Growth of CPU time and memory with the number of hosts", *GROWTH_COLUMNS)
    for row in growth_rows(results):
        made.add_row(*row)
    return made


def list_table(columns: tuple[str, ...], found: list[tuple[str, ...]]) -> str:
    """A table of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [columns, *found]:
        lines += [f"   {'-' if cell else '*'} - {text}" for cell, text in enumerate(row)]
    return "\n".join(lines).replace("   - - ", "     - ") + "\n"


def document(results: dict[str, Any]) -> str:
    """All tables in reStructuredText, for the guide of controllers."""
    machine = results["machine"]
    text = (
        f"Version {results['version']}, measured on {results['taken']} with {machine['cpus']} CPUs,"
        f" Python {machine['python']} and ansible-core {machine['ansible_core']}.\n"
    )
    for part, title in PARTS.items():
        if found := rows(results, part):
            text += f"\n{title}:\n\n{list_table(COLUMNS, found)}"
    if results["growth"]:
        text += "\nGrowth with the number of hosts, as exponents of CPU time, and memory:\n\n"
        text += list_table(GROWTH_COLUMNS, growth_rows(results))
    return text


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
