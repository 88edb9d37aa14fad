# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of events in each kind of try, and its verdict. Host and rollouts are simulated."""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fleet import LabError
from trials import hosts, kinds
from trials.bench import Reference
from trials.kinds import KINDS, Outcome, trials
from trials.rollout import Moment, Step, Trigger

OLD = hosts.State(("systemd-timesyncd.service",))
NEW = hosts.State(("chrony.service",), "0.2.0", "0.2.0", "CIPU")
BROKEN = hosts.State(("chrony.service",), "0.2.0", "0.2.0", dpkg="chrony")
STEPS = [
    Step("Install chrony#1", "ansible.builtin.apt", True, False),
    Step("Check#1", "ansible.builtin.command", False, False),
    Step("Copy#1", "ansible.builtin.copy", True, False),
]


class FakeRollout:
    """A rollout that ends at once with a given status."""

    def __init__(self, bench: "FakeBench", trigger: Trigger | None) -> None:
        self.bench = bench
        self.trigger = trigger
        self.status = bench.statuses.pop(0) if bench.statuses else 0

    def __enter__(self) -> "FakeRollout":
        return self

    def __exit__(self, *_error: object) -> None:
        self.bench.events.append("end")

    def wait(self, seconds: float) -> bool:
        if self.trigger is not None:
            self.bench.events.append(" ".join(self.trigger.command))
        return True

    def reach(self, moment: Moment) -> bool:
        return False

    def kill(self) -> None:
        self.bench.events.append("kill")

    def problem(self) -> str:
        return "fatal: no" if self.status else ""

    def triggered(self) -> str | None:
        return self.bench.triggered


class FakeBench:
    """Records what happens to a host, whose state is given."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.statuses: list[int] = []
        self.triggered: str | None = ""
        self.image = "debian13"
        record = self.events.append
        machine = SimpleNamespace(
            cut_power=lambda: record("cut"), network=lambda on: record(f"network {on}")
        )
        self.node = SimpleNamespace(
            name="node1",
            machine=machine,
            power_on=lambda: record("power on") or "running",
            failed_units=list,
        )
        self.lab = SimpleNamespace(fault=lambda target, what: record(f"{what} {target}"))
        self.references = {
            "first": Reference("fresh", OLD, NEW, 100.0, STEPS, [("Copy#1", 0.0)]),
            "upgrade": Reference("old", OLD, NEW, 50.0, STEPS, [("Copy#1", 0.0)]),
        }

    def begin(self, point: str, without: tuple[str, ...] = ()) -> str:
        self.events.append(" ".join(["begin", point, *without]))
        return "running"

    def rollout(self, label: str, trigger: Trigger | None = None) -> FakeRollout:
        self.events.append(f"rollout {label}")
        return FakeRollout(self, trigger)

    def command(self, *words: str) -> list[str]:
        return list(words)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBench]:
    """A host that always has a time daemon and reaches the wanted state."""
    fake = FakeBench()
    fake_disk = SimpleNamespace(
        problems=lambda node: "",
        free=lambda node: fake.events.append("free"),
        points=lambda node: ["fresh", "cut-1"],
        remove=lambda node, point: fake.events.append(f"remove {point}"),
        save_running=lambda node, point: fake.events.append(f"save {point}"),
    )
    fake_mirror = SimpleNamespace(switch=lambda node, on: fake.events.append(f"mirror {on}"))
    monkeypatch.setattr(kinds, "disk", fake_disk)
    monkeypatch.setattr(kinds, "mirror", fake_mirror)
    monkeypatch.setattr(hosts, "wait_daemon", lambda node: fake.events.append("daemon?") or 1.0)
    monkeypatch.setattr(hosts, "wait_state", lambda node, wanted: wanted)
    monkeypatch.setattr(hosts, "read", lambda node: OLD)
    return fake


def run(bench: Any, kind: str, tries: int = 1) -> Outcome:
    trial = next(trials(kind, bench, tries, seed=7))
    outcome = Outcome(kind, bench.image, trial.point)
    trial.run(bench, outcome)
    return outcome


JUDGED = ["rollout rerun", "end"]
EVENTS = {
    "controller-killed": ["begin fresh", "rollout controller-killed", "kill", "daemon?", "end"],
    "power-cut-first": [
        "cut", "remove cut-1", "begin fresh", "rollout power-cut-first", "cut", "end", "power on",
        "daemon?",
    ],
    "power-cut-upgrade": [
        "cut", "remove cut-1", "begin old", "rollout power-cut-upgrade", "cut", "end", "power on",
        "daemon?",
    ],
    "ssh-lost": [
        "begin fresh", "rollout ssh-lost", "network False", "network True", "daemon?", "end",
    ],
    "disk-full-first": [
        "begin fresh", "rollout disk-full-first", "disk node1 fill", "end", "daemon?", "free",
    ],
    "disk-full-upgrade": [
        "begin old", "rollout disk-full-upgrade", "disk node1 fill", "end", "daemon?", "free",
    ],
    "apt-fails": [
        "begin fresh", "rollout apt-fails", "mirror node1 off", "end", "daemon?", "mirror True",
    ],
    "function-missing-at-rollout": [
        "begin fresh cipu0", "rollout without-function", "end", "daemon?", "plug node1/cipu0",
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", EVENTS)
def test_the_order_of_events(bench: FakeBench, kind: str) -> None:
    outcome = run(bench, kind)
    assert bench.events == [*EVENTS[kind], *JUDGED]
    assert (outcome.clean, outcome.state, outcome.daemon_s) == (True, "new", 1.0)


def test_one_rollout_serves_all_power_cuts(bench: FakeBench) -> None:
    outcomes = []
    for trial in trials("power-cut-first", bench, 3, seed=7):  # type: ignore[arg-type]
        outcomes.append(Outcome("power-cut-first", "debian13", trial.point))
        trial.run(bench, outcomes[-1])  # type: ignore[arg-type]
    assert bench.events == [
        *("cut", "remove cut-1", "begin fresh", "rollout power-cut-first"),
        *("save cut-1", "save cut-2", "cut", "end", "power on", "daemon?", *JUDGED),
        *("begin cut-1", "daemon?", *JUDGED),
        *("begin cut-2", "daemon?", *JUDGED),
    ]
    assert all(outcome.clean for outcome in outcomes)
    last, *others = (float(outcome.point.split()[1]) for outcome in outcomes)
    assert others == sorted(others)
    assert last > max(others)


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("function-missing-at-boot", ["begin new cipu0"]),
        ("function-unplugged", ["begin new", "unplug node1/cipu0"]),
    ],
)
def test_a_function_returns(bench: FakeBench, kind: str, start: list[str]) -> None:
    outcome = run(bench, kind)
    without = ["daemon?", "rollout without-function", "end", "daemon?", "plug node1/cipu0"]
    assert bench.events == [*start, *without]
    assert outcome.clean
    bench.statuses = [2]
    assert not run(bench, kind).clean


def test_every_kind_is_tested() -> None:
    assert {*EVENTS, "function-missing-at-boot", "function-unplugged"} == set(KINDS)


def test_only_the_references_that_kinds_need_are_prepared(bench: FakeBench) -> None:
    assert kinds.needed(list(KINDS), 2) == ["first", "upgrade"]
    assert kinds.needed(["controller-killed", "ssh-lost"], 1) == ["first"]
    for kind, tries in itertools.product(KINDS, (1, 2)):
        bench.references = {name: bench.references[name] for name in kinds.needed([kind], tries)}
        bench.events.clear()
        for trial in trials(kind, bench, tries, seed=7):  # type: ignore[arg-type]
            trial.run(bench, Outcome(kind, "debian13", ""))  # type: ignore[arg-type]
        bench.references = FakeBench().references


def test_steps_are_chosen_by_what_they_do(bench: Any) -> None:
    points = [trial.point for trial in trials("disk-full-first", bench, 20, 7)]
    assert points == ["first, Install chrony#1", "first, Copy#1"]
    assert len(list(trials("disk-full-first", bench, 1, 7))) == 1
    points = [trial.point for trial in trials("apt-fails", bench, 20, 7)]
    assert points == ["first, Install chrony#1"]
    assert len(list(trials("power-cut-first", bench, 20, 7))) == 20


@pytest.mark.parametrize("triggered", [None, "no space"])
def test_a_fault_that_did_not_begin_is_an_error_of_the_lab(
    bench: FakeBench, triggered: str | None
) -> None:
    bench.triggered = triggered
    with pytest.raises(LabError, match="The fault did not begin"):
        run(bench, "disk-full-first")


@pytest.mark.parametrize(
    ("status", "state", "verdict"),
    [
        (0, NEW, ("new", True)),
        (2, OLD, ("old", False)),
        (2, NEW, ("new", False)),
        (0, OLD, ("old", False)),
        (0, BROKEN, ("neither", False)),
    ],
)
def test_a_rerun_is_clean_if_it_succeeds_and_reaches_the_new_state(
    bench: FakeBench,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    state: hosts.State,
    verdict: tuple[str, bool],
) -> None:
    bench.statuses = [2, status]
    monkeypatch.setattr(hosts, "wait_state", lambda node, wanted: state)
    outcome = run(bench, "apt-fails")
    assert (outcome.state, outcome.clean) == verdict
    assert outcome.rerun_status == status


def test_a_host_that_changes_without_the_function_is_not_clean(
    bench: FakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "read", lambda node: NEW)
    outcome = run(bench, "function-missing-at-rollout")
    assert not outcome.clean
    assert "status 0 without the function" in outcome.notes[0]
