# SPDX-License-Identifier: GPL-3.0-or-later
"""All machines of a lab start, or none is left. Processes are real, the guests are not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_lab import HERE, left_running, started
from fleet import Lab, LabError, UsageError, cli, paths
from fleet.progress import silent
from fleet.waiting import until


@pytest.fixture
def lab(stand_ins: Path) -> Lab:
    return Lab(say_line=silent)


def test_up_and_down(lab: Lab, stand_ins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lab:
        nodes = lab.up(2, function_count=1)
        running = started(stand_ins)
        assert [node.name for node in nodes] == ["node1", "node2"]
        assert len(running) == 4
        assert all(process.alive() for process in running)
        assert [each["ssh_answers"] for each in lab.status()] == [True, True]
        assert cli.main(["status"]) == 0
        assert "node2  debian12  up" in capsys.readouterr().out
        assert cli.main(["console", "node1"]) == 0
        assert capsys.readouterr().out == "Booting\nnode1 ready\n"
        with pytest.raises(LabError, match="up already: node1, node2"):
            lab.up(1)
    assert not any(process.alive() for process in running)
    assert not left_running(stand_ins)
    assert [path.name for path in stand_ins.iterdir()] == [".lock"]
    with pytest.raises(LabError, match="not up"):
        lab.nodes()


def test_faults_reach_the_right_function(lab: Lab) -> None:
    with lab:
        lab.up(1)
        lab.fault("node1", "clock_abnormal")
        assert "clock_abnormal" in lab.control("node1").status()["faults"]
        assert not lab.control("node1/ref0").status()["faults"]
        lab.fault("node1", "clear")
        assert not lab.control("node1/cipu0").status()["faults"]
        assert cli.main(["fault", "node1", "slow_reads", "on", "delay_us=5", "count=2"]) == 0
        assert cli.main(["control", "node1", '{"op":"clear"}']) == 0
        with pytest.raises(UsageError, match="ref0 is the reference"):
            lab.fault("node1/ref0", "busy")
        with pytest.raises(UsageError, match="no function cipu9"):
            lab.fault("node1/cipu9", "busy")
        with pytest.raises(UsageError, match="no machine node7"):
            lab.fault("node7", "busy")
        with pytest.raises(LabError):
            lab.fault("node1", "no_such_fault")
        for message in ("{", "[]"):
            assert cli.main(["control", "node1", message]) == cli.EXIT_USAGE


@pytest.mark.parametrize(
    ("how", "message"),
    [("dies", "QEMU of node2 ended at once"), ("panics", "kernel of node2 panicked")],
)
def test_all_machines_are_ended_if_one_fails(
    lab: Lab, stand_ins: Path, monkeypatch: pytest.MonkeyPatch, how: str, message: str
) -> None:
    monkeypatch.setenv("FAKE_QEMU_node1", "hangs")
    monkeypatch.setenv("FAKE_QEMU_node2", how)
    with pytest.raises(LabError, match=message) as caught:
        lab.up(2, function_count=1)
    assert ("no such machine" if how == "dies" else "Kernel panic") in caught.value.advice
    assert not left_running(stand_ins)
    assert not started(stand_ins)


def test_all_machines_are_ended_if_an_emulator_fails(
    lab: Lab, stand_ins: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "LAB_DIR", tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(LabError, match="emulator of cipu0 ended at once") as caught:
        lab.up(1)
    assert "No module named emulator" in caught.value.advice
    assert not left_running(stand_ins)


def begin(*arguments: str) -> "subprocess.Popen[str]":
    """The command line as a process of its own.

    It handles signals even if the tests were started with some of them ignored, as in the
    background of a shell.
    """
    search = os.pathsep.join([str(paths.LAB_DIR), str(HERE)])
    return subprocess.Popen(
        [
            *("env", "--default-signal=INT,TERM,HUP"),
            *(sys.executable, str(HERE / "fake_lab.py"), *arguments),
        ],
        env={**os.environ, "PYTHONPATH": search},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_boot_ends_everything(
    stand_ins: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("FAKE_QEMU_node1", "hangs")
    monkeypatch.setenv("FAKE_QEMU_node2", "hangs")
    with begin("up", "2", "--functions", "1") as command:
        until(lambda: len(started(stand_ins)) == 4, 200, "everything was started")
        command.send_signal(number)
        _, error = command.communicate(timeout=200)
    assert command.returncode == cli.EXIT_INTERRUPTED
    assert error.splitlines()[-1] == "lab: interrupted; everything that was started has ended"
    assert not left_running(stand_ins)


def test_down_ends_what_a_killed_up_has_started(
    lab: Lab, stand_ins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QEMU_node1", "hangs")
    with begin("up", "1") as command:
        until(lambda: len(started(stand_ins)) == 3, 200, "everything was started")
        command.kill()
        command.communicate(timeout=200)
    running = started(stand_ins)
    assert all(process.alive() for process in running)
    (stand_ins / "state.json").write_text("damaged", encoding="ascii")
    assert cli.main(["status"]) == cli.EXIT_FAILED
    lab.down()
    assert not any(process.alive() for process in running)
    assert not left_running(stand_ins)


def test_a_stale_state_does_not_prevent_up(lab: Lab, stand_ins: Path) -> None:
    with lab:
        lab.up(1, function_count=0)
        for process in started(stand_ins):
            process.stop()
        assert [each["running"] for each in lab.status()] == [False]
        lab.up(1, function_count=0)
        assert [each["running"] for each in lab.status()] == [True]


def test_the_inventory_has_the_form_of_a_script(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    with lab:
        nodes = lab.up(1, function_count=0)
        assert cli.main(["inventory", "--list"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["clocks"]["hosts"] == ["node1"]
        assert shown["_meta"]["hostvars"]["node1"]["ansible_port"] == nodes[0].state.ssh_port
