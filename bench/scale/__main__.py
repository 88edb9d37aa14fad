# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what audits and rollouts cost the controller, by the number of simulated hosts.

    make bench [HOSTS="10 100"] [PARTS="sizes forks mitogen"] [RUNS="ping audit"]
               [COMPARE=0.2.0] [KEEP=1|add]

ping and setup run as limits. Part sizes: every run at every number of hosts. Part forks: audit and
idle rollout with 5 and 50 forks. Part mitogen: the strategies linear and mitogen_linear on hosts
that run the real modules, so their CPU time contains that of the hosts.
Exit status: 0, or 1 if a target is missed or a play failed. Needs root, since each recorded host
is an overlay of this machine's root.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "molecule/lab")]
sys.dont_write_bytecode = True

import results as figures  # noqa: E402
import show  # noqa: E402
import unit.conftest  # noqa: E402, F401
from fleet.waiting import until  # noqa: E402
from hosts import PLAYS, BenchError, SimulatedHosts  # noqa: E402
from measure import measure  # noqa: E402
from rich.console import Console  # noqa: E402
from unit.playbooks.conftest import missing  # noqa: E402

AUDIT_ONLY_ABOVE = 1000
LONGEST = "first rollout, check mode"
MITOGEN = Path(os.environ.get("CIPU_CACHE", ROOT / ".cache")).absolute() / "bench"

console = Console(width=None if sys.stdout.isatty() else 160)


class Bench:
    def __init__(self, hosts: SimulatedHosts, options: argparse.Namespace) -> None:
        self.hosts = hosts
        self.options = options
        self.runs: list[figures.Run] = []

    def play(self, part: str, run: str, count: int, forks: int) -> None:
        environment = self.hosts.environment(forks)
        log = self.hosts.folder / "play.log"
        command = self.hosts.command(run)
        cost = measure(command, self.hosts.folder, environment, log)
        if cost.status:
            raise BenchError(f"{run} of {count} hosts failed:\n{log.read_text()[-3000:]}")
        figure = {
            "part": part,
            "run": run,
            "hosts": count,
            "forks": forks,
            "strategy": self.hosts.strategy,
            "wall_s": round(cost.wall_s, 2),
            "cpu_s": round(cost.cpu_s, 3),
            "peak_kib": cost.peak_kib,
        }
        self.runs.append(figure)
        line = f"{part}: {show.label(figure)}, {count} hosts, {forks} forks"
        console.print(f"{line}: {cost.wall_s:.1f} s, CPU {cost.cpu_s:.1f} s", highlight=False)

    def replay(self, part: str, run: str, count: int, forks: int) -> None:
        self.hosts.replay(count)
        self.play(part, run, count, forks)
        self.hosts.check_replay(run, count)

    def all_parts(self) -> None:
        """The longest run comes last, so that an interruption loses least."""
        for run in self.options.runs:
            if run != LONGEST:
                self.replayed(run)
        if "mitogen" in self.options.parts:
            self.mitogen_part()
        if LONGEST in self.options.runs:
            self.replayed(LONGEST)

    def replayed(self, run: str) -> None:
        options = self.options
        self.hosts.record(run)
        if "sizes" in options.parts:
            for count in sorted(options.hosts):
                if count <= AUDIT_ONLY_ABOVE or run in ("ping", "audit"):
                    self.replay("sizes", run, count, options.forks)
        if "forks" in options.parts and run in ("ping", "audit", "idle rollout"):
            for forks in (5, 50):
                self.replay("forks", run, options.fork_hosts, forks)

    def mitogen_part(self) -> None:
        plugins = str(MITOGEN / "ansible_mitogen/plugins/strategy")
        self.hosts.extra.update(ANSIBLE_STRATEGY_PLUGINS=plugins, PYTHONPATH=str(MITOGEN))
        for strategy in ("linear", "mitogen_linear"):
            self.hosts.use(strategy)
            for run in ("ping", "audit", "idle rollout"):
                if run in self.options.runs:
                    with self.hosts.real(self.options.mitogen_hosts, finished=PLAYS[run][2]):
                        count = self.options.mitogen_hosts
                        self.play("mitogen", run, count, self.options.forks)
        # The simulated ssh of the runs that follow does not answer mitogen.
        self.hosts.use("linear")
        self.hosts.extra.clear()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/scale", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--hosts", type=int, nargs="+", default=[10, 100, 1000], help="above 1000 only audit")
    add("--parts", nargs="+", choices=show.PARTS, default=list(show.PARTS))
    add("--runs", nargs="+", choices=PLAYS, default=list(PLAYS))
    add("--forks", type=int, default=10)
    add("--fork-hosts", type=int, default=100, help="number of hosts of the part forks")
    add("--mitogen-hosts", type=int, default=20, help="number of hosts of the part mitogen")
    add("--compare", metavar="VERSION", help="print the ratios to this kept release, or file")
    add("--keep", action="store_true", help="keep the results in bench/results")
    add("--add", action="store_true", help="the same, beside kept runs that are not repeated")
    add("--json", type=Path, help="write the results to this file")
    return parser.parse_args(arguments)


def report(results: dict[str, Any], kept: dict[str, Any] | None) -> list[str]:
    for part, title in show.PARTS.items():
        made = show.runs(results, part, title)
        if made:
            console.print(made)
    if results["growth"]:
        console.print(show.growth(results))
    if kept:
        console.print(show.comparison(results, kept))
    return figures.problems(results)


def removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    kept = figures.load(options.compare) if options.compare else None
    problem = missing()
    if problem:
        sys.exit(f"bench: {problem}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell ignores it for what it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="cipu-bench-", dir="/dev/shm"))
    bench = Bench(SimulatedHosts(folder), options)
    failure = ""
    try:
        bench.all_parts()
    except (BenchError, OSError, ValueError) as error:
        # The finished runs took minutes. They are shown and kept.
        failure = str(error)
    except KeyboardInterrupt:
        console.print("Interrupted. The results are those of the finished runs.")
    finally:
        # After an interruption, connections that were started still write there.
        until(lambda: removed(folder), 60, f"{folder} is removed")
    if not bench.runs:
        sys.exit(f"bench: {failure or 'nothing was measured'}")
    path = figures.KEPT / f"{figures.version()}.json"
    runs = bench.runs
    if options.add and path.exists():
        runs = figures.added(figures.load(str(path))["runs"], runs)
    results = figures.make(runs)
    if options.json:
        figures.write(options.json, results)
    if options.keep or options.add:
        figures.write(path, results)
    problems = report(results, kept)
    if failure:
        problems.append(f"the other runs were not made: {failure}")
    for line in problems:
        print(f"bench: {line}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
