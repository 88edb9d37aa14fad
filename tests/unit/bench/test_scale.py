# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of the controller: figures, targets, kept files, and a run with three hosts."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from ..playbooks.conftest import simulation  # noqa: F401

ROOT = Path(__file__).resolve().parents[3]
SCALE = ROOT / "bench/scale"


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCALE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results = load("results")


def run(name, hosts, cpu_s, peak_kib=50000, **other):
    figures = {"part": "sizes", "run": name, "hosts": hosts, "forks": 10, "strategy": "linear"}
    return {**figures, "wall_s": cpu_s, "cpu_s": cpu_s, "peak_kib": peak_kib, **other}


def fleet(cost, memory=lambda hosts: 50000 + 10 * hosts, name="audit"):
    sizes = (10, 100, 1000, 5000)
    made = [run("ping", hosts, hosts * 0.03) for hosts in sizes]
    return made + [run(name, hosts, cost(hosts), memory(hosts)) for hosts in sizes]


@pytest.mark.parametrize("power", [0.5, 1, 1.3, 2])
def test_the_exponent_is_that_of_a_power(power):
    points = [(hosts, 0.2 * hosts**power) for hosts in (10, 100, 1000, 5000)]
    assert results.exponent(points) == pytest.approx(power)


def test_a_linear_cost_within_the_limits_is_no_problem():
    assert results.problems(results.make(fleet(lambda hosts: hosts * 0.035))) == []


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (fleet(lambda hosts: hosts * 0.045), "audit of 5000 hosts: 1.50 pings, limit 1.3"),
        (fleet(lambda hosts: hosts * 0.1, name="idle rollout"), "3.33 pings, limit 3.0"),
        (fleet(lambda hosts: 0.0001 * hosts**1.3), "growth exponent 1.30"),
        # The start hides the growth in the exponent over all sizes, but not between the largest.
        (fleet(lambda hosts: 5 + 0.001 * hosts**2), "growth exponent"),
        (
            fleet(lambda hosts: hosts * 0.035, lambda hosts: 50000 + hosts**2 / 10),
            "memory per host grows by the factor",
        ),
    ],
)
def test_a_missed_target_is_a_problem(made, text):
    assert [line for line in results.problems(results.make(made)) if text in line]


def test_pings_are_those_of_the_same_size_and_forks():
    runs = [run("ping", 10, 1.0), run("ping", 10, 2.0, forks=50), run("audit", 10, 3.0, forks=50)]
    assert results.pings(runs, runs[2]) == 1.5
    assert results.pings(runs, run("audit", 20, 3.0)) is None


def test_memory_that_the_start_released_is_no_growth():
    memory = {10: 50000, 100: 50100, 1000: 50100 + 900 * 20, 5000: 50100 + 4900 * 20}
    made = results.make(fleet(lambda hosts: hosts * 0.035, memory.get))
    assert made["growth"]["audit"]["memory_kib_per_host"] == 20
    assert results.problems(made) == []


def test_added_runs_replace_those_that_were_repeated():
    kept = [run("ping", 10, 1.0), run("audit", 10, 2.0)]
    new = [run("audit", 10, 3.0), run("audit", 100, 9.0)]
    assert results.added(kept, new) == [kept[0], *new]


def test_written_results_can_be_loaded_and_compared(tmp_path):
    path = tmp_path / "0.1.0.json"
    results.write(path, results.make(fleet(lambda hosts: hosts * 0.035)))
    assert results.load(str(path))["growth"]["audit"]["cpu"] == 1.0
    assert list(tmp_path.iterdir()) == [path]


def test_results_of_another_schema_are_refused(tmp_path):
    path = tmp_path / "old.json"
    made = results.make(fleet(lambda hosts: hosts))
    path.write_text(json.dumps({**made, "schema": 2}))
    with pytest.raises(jsonschema.ValidationError):
        results.load(str(path))


@pytest.mark.parametrize(
    "path", sorted(SCALE.parent.glob("results/[0-9]*.json")), ids=lambda p: p.name
)
def test_kept_results_conform_to_the_schema(path):
    assert results.load(str(path))["version"] == path.stem


@pytest.mark.usefixtures("simulation")
def test_the_bench_replays_two_recorded_hosts_as_three(tmp_path):
    path = tmp_path / "results.json"
    options = ["--hosts", "2", "3", "--parts", "sizes", "--runs", "ping", "setup"]
    command = [sys.executable, str(SCALE), *options, "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(one["run"], one["hosts"]) for one in results.load(str(path))["runs"]] == [
        ("ping", 2),
        ("ping", 3),
        ("setup", 2),
        ("setup", 3),
    ]
    assert "Growth of CPU time" in done.stdout
