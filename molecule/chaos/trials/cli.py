# SPDX-License-Identifier: GPL-3.0-or-later
"""The chaos scenario: options come from the environment, so that `make` passes them on."""

import contextlib
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fleet import Lab, LabError, Node
from fleet import paths as lab_paths
from rich.console import Console

from . import collection, table
from .bench import Bench, PreparationError
from .kinds import KINDS, Outcome, Trial, needed, trials

LAB = "molecule-chaos"
IMAGES = "debian12 debian13"
TRIES = 10

console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)


class OptionError(Exception):
    """A value in the environment that cannot be used."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    tries: int
    seed: int
    kinds: tuple[str, ...]
    images: tuple[str, ...]
    minutes: float
    keep: bool


def options(environ: Mapping[str, str]) -> Options:
    """Options from TRIES, SEED, KINDS, IMAGES, MINUTES and KEEP."""
    kinds = tuple(environ.get("KINDS", "").split()) or tuple(KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise OptionError(f"KINDS names {', '.join(unknown)}; there are: {', '.join(KINDS)}")
    images = tuple(environ.get("IMAGES", "").split() or IMAGES.split())
    try:
        tries = int(environ.get("TRIES") or TRIES)
        seed = int(environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
        minutes = float(environ.get("MINUTES") or "inf")
    except ValueError as error:
        raise OptionError(f"TRIES, SEED and MINUTES must be numbers: {error}") from error
    if tries < 1:
        raise OptionError(f"TRIES is {tries} and must be at least 1")
    keep = environ.get("KEEP", "") not in ("", "0")
    return Options(tries, seed, kinds, images, minutes, keep)


def main() -> int:
    """Run the scenario; 0 if every host kept its time and every rerun ended clean."""
    try:
        chosen = options(os.environ)
    except OptionError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = lab_paths.cache() / "chaos"
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    console.print(
        f"chaos: SEED={chosen.seed} TRIES={chosen.tries} images {', '.join(chosen.images)}"
    )
    lab = Lab(LAB)
    results = lab.folder / "results.json" if chosen.keep else folder / "results.json"
    try:
        nodes = start(lab, chosen)
        if not chosen.keep:
            results.unlink(missing_ok=True)
        run = Run(chosen, lab, folder, logs, results)
        complete = run.all(nodes)
        outcomes = run.outcomes
    except (LabError, PreparationError) as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("chaos: interrupted; everything that was started has ended", file=sys.stderr)
        return 130
    finally:
        if not chosen.keep:
            lab.down()
    console.print(table.table(outcomes))
    console.print(f"Every try: {results}, logs: {logs}", soft_wrap=True)
    if not complete:
        console.print("chaos: not complete, see the messages above")
    return 0 if complete and table.passed(outcomes) else 1


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def start(lab: Lab, chosen: Options) -> list[Node]:
    """The machines: those of an earlier run if they can be used, otherwise new ones."""
    stamp = lab.folder / "chaos"
    wanted = f"{collection.fingerprint()} {' '.join(chosen.images)}\n"
    if chosen.keep and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        # Without a state, the lab was ended with `lab down`.
        with contextlib.suppress(LabError):
            return lab.nodes()
    lab.down()
    for left in (stamp, *lab.folder.glob("*.json")):
        left.unlink(missing_ok=True)
    nodes = lab.up(len(chosen.images), images_named=chosen.images, function_count=1)
    stamp.write_text(wanted, encoding="ascii")
    return nodes


class Run:
    """One run of the scenario over all hosts; each host makes its tries in turn."""

    def __init__(self, chosen: Options, lab: Lab, folder: Path, logs: Path, results: Path) -> None:
        self.chosen = chosen
        self.lab = lab
        self.logs = logs
        self.folder = folder
        self.results = results
        self.outcomes = table.load(results) if chosen.keep else []
        self.end_s = time.monotonic() + chosen.minutes * 60
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    def all(self, nodes: list[Node]) -> bool:
        """Make all tries; False if one could not be made."""
        old = collection.old_driver(self.folder)
        benches = [
            Bench(
                self.lab,
                node,
                self.logs,
                collection.variables(self.folder, node.state.image),
                console.print,
            )
            for node in nodes
        ]
        with ThreadPoolExecutor(max_workers=len(benches)) as pool:
            try:
                done = list(pool.map(lambda bench: self.one(bench, old), benches))
            except BaseException:
                self.stopped.set()
                for bench in benches:
                    bench.end()
                raise
        return all(done)

    def one(self, bench: Bench, old: dict[str, str]) -> bool:
        """Make the tries of one host."""
        complete = True
        try:
            saved = self.lab.folder / f"{bench.node.name}.json" if self.chosen.keep else None
            bench.prepare(needed(self.chosen.kinds, self.chosen.tries), old, saved)
            for kind in self.chosen.kinds:
                for trial in trials(kind, bench, self.chosen.tries, self.chosen.seed):
                    if self.stopped.is_set() or time.monotonic() > self.end_s:
                        console.print(f"{bench.image}: stopped before {kind}, {trial.point}")
                        return False
                    complete = self.try_once(bench, trial) and complete
        finally:
            bench.end()
        return complete

    def try_once(self, bench: Bench, trial: Trial) -> bool:
        """Make one try; False if the lab itself failed."""
        started_s = time.monotonic()
        outcome = Outcome(trial.kind, bench.image, trial.point)
        try:
            trial.run(bench, outcome)
        except LabError as error:
            outcome.notes.append(f"lab: {error.message}")
        if self.stopped.is_set():
            # The end of the run interrupted the try, so it says nothing about the host.
            return False
        # A host that the lab could not restore counts as one without a time daemon.
        with self.lock:
            self.outcomes.append(outcome)
            order = {kind: number for number, kind in enumerate(KINDS)}
            self.outcomes.sort(key=lambda each: order[each.kind])
            # After each try, so that a run that is interrupted keeps those it made.
            table.save(self.outcomes, self.chosen.seed, self.results)
        daemon = "NO TIME DAEMON" if outcome.daemon_s is None else f"time {outcome.daemon_s:.0f} s"
        rerun = "rerun clean" if outcome.clean else f"RERUN NOT CLEAN ({outcome.state})"
        console.print(
            f"{outcome.kind} {outcome.image} [{outcome.point}]: {daemon}, {rerun}, "
            f"{time.monotonic() - started_s:.0f} s",
            soft_wrap=True,
        )
        if outcome.daemon_s is None or not outcome.clean:
            console.print(f"  {'; '.join(outcome.notes)}\n  {bench.logs()}", soft_wrap=True)
        return not any(note.startswith("lab: ") for note in outcome.notes)
