# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds run once, are complete or absent, and end in a bounded time."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from fake_lab import left_running
from fleet.build import build_once, run_logged, tail
from fleet.errors import LabError
from fleet.host import require, require_space
from fleet.progress import silent
from fleet.waiting import until


def test_a_target_is_built_once(tmp_path: Path) -> None:
    runs = []

    def build(folder: Path) -> None:
        runs.append(folder)
        (folder / "thing").write_text("whole")

    for _ in range(2):
        target = build_once(tmp_path / "it", "It", build, silent)
        assert (target / "thing").read_text() == "whole"
    assert len(runs) == 1


def test_a_failed_build_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once(tmp_path / "it", "It", fail, silent)
    assert [path.name for path in tmp_path.iterdir()] == [".it.lock"]
    build_once(tmp_path / "it", "It", lambda folder: None, silent)
    assert (tmp_path / "it").is_dir()


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    left = tmp_path / ".unfinished-it-abc"
    left.mkdir()
    (left / "half").touch()
    build_once(tmp_path / "it", "It", lambda folder: None, silent)
    assert not left.exists()


def _count(folder: Path) -> None:
    with (folder.parent / "runs").open("a") as log:
        log.write("run\n")


def _build_it(parent: str) -> None:
    build_once(Path(parent) / "it", "It", _count, silent)


def test_two_processes_build_a_target_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(_build_it, [str(tmp_path)] * 3)
    assert (tmp_path / "runs").read_text() == "run\n"


def test_progress_is_shown_and_all_output_is_logged(tmp_path: Path) -> None:
    said: list[str] = []
    command = ["sh", "-c", "echo 'I: unpacking'; echo noise; echo 'I: running --hook x' >&2"]
    run_logged(command, tmp_path / "log", 30, said.append)
    assert said == ["  unpacking"]
    assert (tmp_path / "log").read_text().splitlines()[1] == "noise"


def test_a_failure_shows_the_last_lines(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="status 3") as caught:
        run_logged(["sh", "-c", "seq 100; exit 3"], tmp_path / "log", 30, silent)
    assert caught.value.advice.splitlines()[-1] == "100"
    assert len(caught.value.advice.splitlines()) < 30


def test_a_timeout_ends_the_command_and_its_children(tmp_path: Path) -> None:
    started = time.monotonic()
    script = f"sh -c 'exec tail -f /dev/null {tmp_path}/log' & exec tail -f {tmp_path}/log"
    with pytest.raises(LabError, match="did not finish within 1 s"):
        run_logged(["sh", "-c", script], tmp_path / "log", 1, silent)
    assert time.monotonic() - started < 30
    until(lambda: not left_running(tmp_path), 30, "all of it ended")


def test_tail_of_a_huge_or_missing_file(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"\xff" * 200_000 + b"\r\nlast\n\n")
    assert tail(big, 1) == "last"
    assert tail(tmp_path / "none") == ""


def test_a_full_disk_is_reported_in_advance(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"An image needs \d+ MiB free in .*, which has \d+ MiB"):
        require_space(tmp_path, 1 << 40, "An image")


def test_a_missing_program_is_reported_with_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("fleet.host._SBIN", ())
    with pytest.raises(LabError, match="needs mmdebstrap, mke2fs") as caught:
        require("mmdebstrap", "mke2fs")
    assert "apt-get install -y --no-install-recommends e2fsprogs mmdebstrap" in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_missing_permission_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LabError, match=r"permission|cannot create"):
        build_once(tmp_path / "a" / "it", "It", lambda folder: None, silent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_mounts_of_a_build_end_with_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    script = f"mount -t tmpfs none {tree}; touch {tree}/inside; test -e {tree}/inside"
    run_logged(["sh", "-c", script], tmp_path / "log", 30, silent)
    assert not tree.is_mount()
    assert not list(tree.iterdir())
