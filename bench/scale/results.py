# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a bench: figures per run, growth, comparison with the limits, the kept files."""

import json
import math
import os
import platform
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import ansible.release
import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "bench/results"
SCHEMA = KEPT / "schema.json"
SCHEMA_VERSION = 1
# The targets: CPU time of a host in pings, growth exponent of CPU time and wall time per host.
LIMIT_PINGS = {"audit": 1.3, "idle rollout": 3.0}
LIMIT_EXPONENT = 1.1
# Runs of Ansible's own modules, which have no target.
LIMITS_ONLY = ("ping", "setup")
# Memory per host counts as flat up to this factor between two sizes.
LIMIT_MEMORY_GROWTH = 1.2
MEMORY_FROM = 100

Run = dict[str, Any]


def version() -> str:
    return str(yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"])


def make(runs: list[Run]) -> dict[str, Any]:
    names = list(dict.fromkeys(run["run"] for run in runs))
    return {
        "schema": SCHEMA_VERSION,
        "version": version(),
        "taken": datetime.now(tz=UTC).date().isoformat(),
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "ansible_core": ansible.release.__version__,
        },
        "runs": runs,
        "growth": {name: found for name in names if (found := growth(runs, name))},
    }


def added(kept: list[Run], runs: list[Run]) -> list[Run]:
    """Kept runs and new ones. A run that was repeated replaces the kept one."""
    keys = ("part", "run", "hosts", "forks", "strategy")
    every = {tuple(run[key] for key in keys): run for run in [*kept, *runs]}
    return list(every.values())


def of(runs: list[Run], name: str) -> list[Run]:
    """The runs of one kind with recorded replies at different sizes, smallest first."""
    found = [run for run in runs if run["run"] == name and run["part"] == "sizes"]
    return sorted(found, key=lambda run: run["hosts"])


def exponent(points: list[tuple[float, float]]) -> float:
    """The slope of a straight line through the logarithms, by least squares."""
    x = [math.log(hosts) for hosts, _ in points]
    y = [math.log(value) for _, value in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - mean_x) ** 2 for a in x)


def growth(runs: list[Run], name: str) -> dict[str, float]:
    """Exponents over all sizes, and over the two largest, where the start matters least.

    Memory per host is the growth between the two largest sizes; its factor compares it with the
    growth before. Smaller sizes than MEMORY_FROM use memory that the start has released.
    """
    found = of(runs, name)
    if len(found) < 2:
        return {}
    points = [(run["hosts"], run["cpu_s"]) for run in found]
    result = {"cpu": exponent(points), "cpu_largest": exponent(points[-2:])}
    large = [run for run in found if run["hosts"] >= MEMORY_FROM]
    each = [
        (run["peak_kib"] - before["peak_kib"]) / (run["hosts"] - before["hosts"])
        for before, run in pairwise(large)
    ]
    if each:
        result["memory_kib_per_host"] = each[-1]
    if len(each) > 1 and each[-2] > 0:
        result["memory_factor"] = each[-1] / each[-2]
    return {key: round(value, 3) for key, value in result.items()}


def pings(runs: list[Run], run: Run) -> float | None:
    """CPU time of a run in pings of the same size, forks and strategy."""
    keys = ("part", "hosts", "forks", "strategy")
    for other in runs:
        if other["run"] == "ping" and all(other[key] == run[key] for key in keys):
            return float(run["cpu_s"] / other["cpu_s"])
    return None


def problems(results: dict[str, Any]) -> list[str]:
    """The targets that are missed, at the largest size of each kind of run."""
    runs, found = results["runs"], []
    for name, limit in LIMIT_PINGS.items():
        for run in of(runs, name)[-1:]:
            cost = pings(runs, run)
            if cost is not None and cost > limit:
                found.append(f"{name} of {run['hosts']} hosts: {cost:.2f} pings, limit {limit}")
    for name, grown in results["growth"].items():
        if name in LIMITS_ONLY:
            continue
        for key in ("cpu", "cpu_largest"):
            if grown[key] > LIMIT_EXPONENT:
                found.append(f"{name}: growth exponent {grown[key]:.2f}, limit {LIMIT_EXPONENT}")
        factor = grown.get("memory_factor", 0)
        if factor > LIMIT_MEMORY_GROWTH:
            found.append(f"{name}: memory per host grows by the factor {factor:.2f}")
    return found


def check(results: Any) -> None:
    jsonschema.validate(results, json.loads(SCHEMA.read_text()))


def write(path: Path, results: dict[str, Any]) -> None:
    check(results)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(path)


def load(name: str) -> dict[str, Any]:
    """Kept results, by the version of a release or by path."""
    path = KEPT / f"{name}.json"
    results = json.loads((path if path.exists() else Path(name)).read_text())
    check(results)
    return dict(results)
