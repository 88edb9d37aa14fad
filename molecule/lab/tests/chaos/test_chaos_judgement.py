# SPDX-License-Identifier: GPL-3.0-or-later
"""Random points, the state of a host, the table."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleet import LabError
from trials import collection, hosts, table
from trials.bench import Reference
from trials.cli import OptionError, Run, options, start
from trials.kinds import KINDS, Outcome, Trial, fractions
from trials.rollout import Moment, Step

PRINTED = """\
daemon=chrony.service:412
loaded=0.2.0
installed=0.2.0
selected=CIPU
dpkg=
dkms=ptp_cipu/0.2.0, 6.12.1, x86_64;
servers=192.0.2.10 iburst
boot=1
"""


def test_points_follow_from_the_seed() -> None:
    points = fractions(7, "power-cut-first", "debian12", 20)
    assert points == fractions(7, "power-cut-first", "debian12", 20)
    assert points[:5] == fractions(7, "power-cut-first", "debian12", 5)
    assert points != fractions(8, "power-cut-first", "debian12", 20)
    assert points != fractions(7, "power-cut-first", "debian13", 20)
    assert all(0 <= point < 1 for point in points)


def test_a_state_is_compared_without_pids() -> None:
    state = hosts.parse(PRINTED)
    assert state.daemons == ("chrony.service",)
    assert state.pids == ("412",)
    assert state.selected == "CIPU"
    assert state == hosts.parse(PRINTED.replace("412", "413").replace("boot=1", "boot=2"))
    for line in PRINTED.splitlines()[:-1]:
        other = hosts.parse(PRINTED.replace(line, line.partition("=")[0] + "=other"))
        assert other != state
        assert line.partition("=")[0] in state.differences(other)


def test_a_host_without_anything_has_an_empty_state() -> None:
    assert hosts.parse("") == hosts.State()


def test_the_script_for_hosts_runs_here() -> None:
    done = subprocess.run(
        ["sh", "-s", collection.MODULE],
        input=hosts.SCRIPT,
        capture_output=True,
        text=True,
        check=False,
    )
    keys = [line.partition("=")[0] for line in done.stdout.splitlines()]
    assert [key for key in keys if key != "daemon"] == [
        "loaded", "installed", "selected", "dpkg", "dkms", "servers", "boot",
    ]  # fmt: skip


def test_an_old_driver_differs_in_its_version_alone(tmp_path: Path) -> None:
    variables = collection.old_driver(tmp_path)
    source = Path(variables["cipu_driver_source"])
    assert f'PACKAGE_VERSION="{collection.OLD_VERSION}"' in (source / "dkms.conf").read_text()
    assert f'MODULE_VERSION("{collection.OLD_VERSION}")' in (source / "cipu_main.c").read_text()
    assert not (source / "tests").exists()
    assert collection.old_driver(tmp_path) == variables


def _outcome(kind: str, daemon_s: float | None, clean: bool, state: str) -> Outcome:
    return Outcome(kind, "debian12", "x", daemon_s=daemon_s, clean=clean, state=state)


def test_a_moment_belongs_to_a_step() -> None:
    starts = [("One#1", 2.0), ("Two#1", 4.0)]
    reference = Reference("fresh", hosts.State(), hosts.State(), 10.0, [], starts)
    assert reference.moment(0.1) == Moment("", 1.0)
    assert reference.moment(0.3) == Moment("One#1", 1.0)
    assert reference.moment(0.4) == Moment("Two#1", 0.0)
    assert reference.moment(0.9) == Moment("Two#1", 5.0)
    assert str(Moment("", 1.0)) == "1.0 s after the start of the rollout"


def test_an_interrupted_run_keeps_its_tries(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    bench: Any = SimpleNamespace(image="debian12", logs=lambda: "")
    lab: Any = None
    for number, kind in enumerate(("ssh-lost", "apt-fails")):
        run = Run(options({"KEEP": "1"}), lab, tmp_path, tmp_path, path)
        assert len(run.outcomes) == number
        assert run.try_once(bench, Trial(kind, "here", lambda _bench, _outcome: None))
    # In the order in which the kinds are documented.
    assert [outcome.kind for outcome in table.load(path)] == ["apt-fails", "ssh-lost"]


def test_a_try_that_the_end_of_the_run_interrupts_does_not_count(tmp_path: Path) -> None:
    bench: Any = SimpleNamespace(image="debian12")
    lab: Any = None
    run = Run(options({}), lab, tmp_path, tmp_path, tmp_path / "results.json")

    def interrupted(_bench: Any, _outcome: Outcome) -> None:
        run.stopped.set()
        raise LabError("node1 ended while it booted.")

    assert not run.try_once(bench, Trial("ssh-lost", "here", interrupted))
    assert run.outcomes == []


def test_archives_of_one_host_do_not_count_as_those_of_another(tmp_path: Path) -> None:
    one, two = (collection.variables(tmp_path, image) for image in ("debian12", "debian13"))
    path = Path(one["cipu_driver_cache_path"]) / "key" / "archive"
    path.parent.mkdir(parents=True)
    path.touch()
    assert collection.archives(one) == {path}
    assert collection.archives(two) == set()


def test_the_table_counts_and_one_failure_fails_the_run(tmp_path: Path) -> None:
    good = _outcome("ssh-lost", 3.0, True, "new")
    assert table.passed([good])
    assert not table.passed([])
    bad = [
        _outcome("ssh-lost", None, True, "new"),
        _outcome("apt-fails", 1.0, False, "old"),
        _outcome("apt-fails", 0.0, False, "neither"),
    ]
    for outcome in bad:
        assert not table.passed([good, outcome])
    assert table.rows([good, *bad]) == [("ssh-lost", 2, 1, 2, 0), ("apt-fails", 2, 0, 0, 1)]
    table.save([good], 7, tmp_path / "results.json")
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["seed"] == 7
    assert written["tries"][0]["state"] == "new"


def test_options_come_from_the_environment() -> None:
    chosen = options({"TRIES": "2", "SEED": "7", "KINDS": "ssh-lost", "IMAGES": "debian13"})
    assert (chosen.tries, chosen.seed) == (2, 7)
    assert (chosen.kinds, chosen.images) == (("ssh-lost",), ("debian13",))
    default = options({})
    assert default.kinds == tuple(KINDS)
    assert (default.tries, default.images) == (10, ("debian12", "debian13"))


@pytest.mark.parametrize(
    "environ", [{"TRIES": "many"}, {"TRIES": "0"}, {"SEED": "x"}, {"KINDS": "fire"}], ids=str
)
def test_options_that_cannot_be_used(environ: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        options(environ)


def test_references_and_tries_survive_a_run(tmp_path: Path) -> None:
    state = hosts.parse(PRINTED)
    step = Step("Install chrony#1", "ansible.builtin.apt", True, False)
    old = hosts.State(("a.service",))
    reference = Reference("fresh", old, state, 12.5, [step], [("Touch#1", 1.5)])
    assert Reference.load(json.loads(json.dumps(asdict(reference)))) == reference
    outcome = _outcome("ssh-lost", 3.0, True, "new")
    assert table.load(tmp_path / "none.json") == []
    table.save([outcome], 7, tmp_path / "results.json")
    assert table.load(tmp_path / "results.json") == [outcome]


def test_machines_are_kept_while_the_collection_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    class FakeLab:
        folder = tmp_path

        def nodes(self) -> list[str]:
            if calls[-1:] == ["down"]:
                raise LabError("not up")
            return ["kept"]

        def down(self) -> None:
            calls.append("down")

        def up(self, count: int, **_options: object) -> list[str]:
            calls.append("up")
            return ["new"] * count

    lab: Any = FakeLab()
    chosen = options({"KEEP": "1", "IMAGES": "debian13"})
    monkeypatch.setattr(collection, "fingerprint", lambda: "one")
    assert start(lab, chosen) == ["new"]
    (tmp_path / "node1.json").touch()
    assert start(lab, chosen) == ["kept"]
    assert calls == ["down", "up"]
    monkeypatch.setattr(collection, "fingerprint", lambda: "two")
    assert start(lab, chosen) == ["new"]
    assert not (tmp_path / "node1.json").exists()
    assert start(lab, options({"IMAGES": "debian13"})) == ["new"]
    assert start(lab, chosen) == ["kept"]
    lab.down()
    assert start(lab, chosen) == ["new"]


def test_the_fingerprint_follows_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "ROOT", tmp_path)
    (tmp_path / "roles").mkdir()
    (tmp_path / "roles/a.yml").write_text("one", encoding="ascii")
    first = collection.fingerprint()
    (tmp_path / "docs.md").touch()
    assert collection.fingerprint() == first
    (tmp_path / "roles/a.yml").write_text("two", encoding="ascii")
    assert collection.fingerprint() != first
