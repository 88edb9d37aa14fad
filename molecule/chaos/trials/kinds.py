# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to interrupt a rollout. Each try starts from a saved disk and ends with a verdict."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fleet import LabError, disk, mirror

from . import hosts
from .bench import ROLLOUT_SECONDS, Bench, Reference
from .rollout import Moment, Rollout, Trigger

FUNCTION = "cipu0"
# ssh gives up much earlier, and Ansible may then open one more connection.
LOST_SECONDS = 400


@dataclass
class Outcome:
    """The result of a try."""

    kind: str
    image: str
    point: str
    daemon_s: float | None = None
    rerun_status: int | None = None
    state: str = "not reached"
    clean: bool = False
    notes: list[str] = field(default_factory=list)


Try = Callable[[Bench, Outcome], None]


@dataclass(frozen=True)
class Trial:
    """One try, before it is made."""

    kind: str
    point: str
    run: Try


def trials(kind: str, bench: Bench, tries: int, seed: int) -> Iterator[Trial]:
    """The tries of one kind on one host."""
    return KINDS[kind](kind, bench, tries, seed)


def needed(kinds: Sequence[str], tries: int) -> list[str]:
    """References that these kinds need, in the order in which they are prepared."""
    upgrades = {*UPGRADES, *(ALTERNATING if tries > 1 else ())}
    return ["first", *(["upgrade"] if set(kinds) & upgrades else [])]


def fractions(seed: int, kind: str, image: str, tries: int) -> list[float]:
    """Points of a rollout, each between 0 (its start) and 1 (its end)."""
    return [random.Random(f"{seed}:{kind}:{image}:{number}").random() for number in range(tries)]


# Interruptions at a random time


def _random(
    references: tuple[str, ...], interrupt: Callable[[Bench, Rollout, Outcome], None]
) -> Callable[[str, Bench, int, int], Iterator[Trial]]:
    def make(kind: str, bench: Bench, tries: int, seed: int) -> Iterator[Trial]:
        for number, fraction in enumerate(fractions(seed, kind, bench.image, tries)):
            name = references[number % len(references)]
            reference = bench.references[name]
            moment = reference.moment(fraction)

            def run(
                bench: Bench,
                outcome: Outcome,
                reference: Reference = reference,
                moment: Moment = moment,
            ) -> None:
                bench.begin(reference.point)
                with bench.rollout(kind) as rollout:
                    if rollout.reach(moment):
                        outcome.notes.append("the rollout had ended")
                    interrupt(bench, rollout, outcome)
                _judge(bench, reference, outcome)

            yield Trial(kind, f"{name}, {moment}", run)

    return make


def _kill_controller(bench: Bench, rollout: Rollout, outcome: Outcome) -> None:
    rollout.kill()
    outcome.daemon_s = hosts.wait_daemon(bench.node)


def _lose_ssh(bench: Bench, rollout: Rollout, outcome: Outcome) -> None:
    bench.node.machine.network(False)
    try:
        if not rollout.wait(LOST_SECONDS):
            outcome.notes.append(f"the rollout continued for {LOST_SECONDS} s without a connection")
    finally:
        bench.node.machine.network(True)
    outcome.daemon_s = hosts.wait_daemon(bench.node)


# Power cuts at a random time. A cut leaves the host's disk and nothing else, so one rollout serves
# all tries: the disk is saved while it runs, and at the last point the power is cut.

CUT = "cut-"


def _power_cuts(name: str) -> Callable[[str, Bench, int, int], Iterator[Trial]]:
    def make(kind: str, bench: Bench, tries: int, seed: int) -> Iterator[Trial]:
        reference = bench.references[name]
        moments = [
            reference.moment(fraction)
            for fraction in sorted(fractions(seed, kind, bench.image, tries))
        ]

        def cut(bench: Bench, outcome: Outcome) -> None:
            _forget_cuts(bench)
            bench.begin(reference.point)
            with bench.rollout(kind) as rollout:
                for number, moment in enumerate(moments[:-1], 1):
                    rollout.reach(moment)
                    disk.save_running(bench.node, f"{CUT}{number}")
                if rollout.reach(moments[-1]):
                    outcome.notes.append("the rollout had ended")
                bench.node.machine.cut_power()
                rollout.wait(LOST_SECONDS)
            found = disk.problems(bench.node)
            if found:
                outcome.notes.append(f"the disk image is damaged: {found[:200]}")
            _judge_boot(bench, reference, outcome, bench.node.power_on())

        yield Trial(kind, f"{name}, {moments[-1]}", cut)
        for number, moment in enumerate(moments[:-1], 1):

            def boot(bench: Bench, outcome: Outcome, point: str = f"{CUT}{number}") -> None:
                _judge_boot(bench, reference, outcome, bench.begin(point))

            yield Trial(kind, f"{name}, {moment}", boot)

    return make


def _forget_cuts(bench: Bench) -> None:
    bench.node.machine.cut_power()
    for point in disk.points(bench.node):
        if point.startswith(CUT):
            disk.remove(bench.node, point)


def _judge_boot(bench: Bench, reference: Reference, outcome: Outcome, state: str) -> None:
    if state != "running":
        outcome.notes.append(f"{state}: {', '.join(bench.node.failed_units())}")
    outcome.daemon_s = hosts.wait_daemon(bench.node)
    _judge(bench, reference, outcome)


# Faults that begin right before a step


def _at_steps(
    name: str,
    chosen: Callable[[Bench], list[str]],
    begin: Callable[[Bench], list[str]],
    end: Callable[[Bench], None],
) -> Callable[[str, Bench, int, int], Iterator[Trial]]:
    def make(kind: str, bench: Bench, tries: int, seed: int) -> Iterator[Trial]:
        reference = bench.references[name]
        steps = chosen(bench)
        if tries < len(steps):
            # Part of them in a short run, in the order of the rollout.
            picked = set(random.Random(f"{seed}:{kind}:{bench.image}").sample(steps, tries))
            steps = [step for step in steps if step in picked]
        for step in steps:

            def run(bench: Bench, outcome: Outcome, step: str = step) -> None:
                bench.begin(reference.point)
                trigger = Trigger(step, begin(bench))
                with bench.rollout(kind, trigger=trigger) as rollout:
                    if not rollout.wait(ROLLOUT_SECONDS):
                        outcome.notes.append("the rollout did not end")
                    outcome.notes.append(f"rollout: status {rollout.status} {rollout.problem()}")
                    failed = rollout.triggered()
                if failed is None or failed:
                    raise LabError(f"The fault did not begin before {step}: {failed or 'no step'}")
                # The contract holds while the fault lasts, too.
                outcome.daemon_s = hosts.wait_daemon(bench.node)
                end(bench)
                _judge(bench, reference, outcome)

            yield Trial(kind, f"{name}, {step}", run)

    return make


def _writing(name: str) -> Callable[[Bench], list[str]]:
    return lambda bench: [step.name for step in bench.references[name].steps if step.writes]


def _installing(name: str) -> Callable[[Bench], list[str]]:
    return lambda bench: [step.name for step in bench.references[name].steps if step.installs]


def _fill(bench: Bench) -> list[str]:
    return bench.command("disk", bench.node.name, "fill")


def _break_mirror(bench: Bench) -> list[str]:
    return bench.command("mirror", bench.node.name, "off")


# The function is removed and returns


def _missing_at_boot(bench: Bench, outcome: Outcome) -> None:
    """A host that was rolled out boots without the function, which is plugged in later."""
    bench.begin("new", without=(FUNCTION,))
    _without_function(bench, outcome)


def _unplugged(bench: Bench, outcome: Outcome) -> None:
    """The function of a host that was rolled out is unplugged and plugged in again."""
    bench.begin("new")
    hosts.wait_state(bench.node, bench.references["first"].new)
    bench.lab.fault(f"{bench.node.name}/{FUNCTION}", "unplug")
    _without_function(bench, outcome)


def _without_function(bench: Bench, outcome: Outcome) -> None:
    outcome.daemon_s = hosts.wait_daemon(bench.node)
    with bench.rollout("without-function") as rerun:
        rerun.wait(ROLLOUT_SECONDS)
    outcome.rerun_status = rerun.status
    if rerun.status:
        outcome.notes.append(f"a rollout without the function fails: {rerun.problem()}")
    if hosts.wait_daemon(bench.node) is None:
        outcome.daemon_s = None
        outcome.notes.append("no time daemon after a rollout without the function")
    bench.lab.fault(f"{bench.node.name}/{FUNCTION}", "plug")
    _compare(bench, bench.references["first"], outcome, rerun.status == 0)


def _missing_at_rollout(bench: Bench, outcome: Outcome) -> None:
    """A rollout does not change a host without the function, and completes when it appears."""
    reference = bench.references["first"]
    bench.begin(reference.point, without=(FUNCTION,))
    with bench.rollout("without-function") as rollout:
        rollout.wait(ROLLOUT_SECONDS)
    outcome.daemon_s = hosts.wait_daemon(bench.node)
    state = hosts.read(bench.node)
    untouched = rollout.status == 0 and state == reference.old
    if not untouched:
        outcome.notes.append(
            f"status {rollout.status} without the function; {state.differences(reference.old)}"
        )
    bench.lab.fault(f"{bench.node.name}/{FUNCTION}", "plug")
    _judge(bench, reference, outcome)
    outcome.clean = outcome.clean and untouched


def _once(run: Try) -> Callable[[str, Bench, int, int], Iterator[Trial]]:
    return lambda kind, bench, tries, seed: iter([Trial(kind, "once", run)])


# Judgement


def _judge(bench: Bench, reference: Reference, outcome: Outcome) -> None:
    """Run the rollout again and compare the result with the old and the new state."""
    with bench.rollout("rerun") as rerun:
        if not rerun.wait(ROLLOUT_SECONDS):
            outcome.notes.append("the rerun did not end")
    outcome.rerun_status = rerun.status
    if rerun.status:
        outcome.notes.append(f"rerun: {rerun.problem()}")
    _compare(bench, reference, outcome, rerun.status == 0)


def _compare(bench: Bench, reference: Reference, outcome: Outcome, passed: bool) -> None:
    state = hosts.wait_state(bench.node, reference.new if passed else reference.old)
    if state == reference.new:
        outcome.state = "new"
    elif state == reference.old:
        outcome.state = "old"
    else:
        outcome.state = "neither"
        outcome.notes.append(state.differences(reference.new))
    outcome.clean = passed and outcome.state == "new"


# References that kinds need, apart from the first rollout.
UPGRADES = ("power-cut-upgrade", "disk-full-upgrade")
# Every second try is an upgrade.
ALTERNATING = ("controller-killed", "ssh-lost")

KINDS: dict[str, Callable[[str, Bench, int, int], Iterator[Trial]]] = {
    "controller-killed": _random(("first", "upgrade"), _kill_controller),
    "power-cut-first": _power_cuts("first"),
    "power-cut-upgrade": _power_cuts("upgrade"),
    "disk-full-first": _at_steps(
        "first", _writing("first"), _fill, lambda bench: disk.free(bench.node)
    ),
    "disk-full-upgrade": _at_steps(
        "upgrade", _writing("upgrade"), _fill, lambda bench: disk.free(bench.node)
    ),
    "apt-fails": _at_steps(
        "first", _installing("first"), _break_mirror, lambda bench: mirror.switch(bench.node, True)
    ),
    "function-missing-at-boot": _once(_missing_at_boot),
    "function-missing-at-rollout": _once(_missing_at_rollout),
    "function-unplugged": _once(_unplugged),
    "ssh-lost": _random(("first", "upgrade"), _lose_ssh),
}
