# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that hangs, prints without end or is missing must not delay the facts of a host."""

import os
import sys
import time

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host.commands import run, run_all, which
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

PYTHON = sys.executable
LONG_S = 60


def script(text):
    return [PYTHON, "-c", text]


def test_output_and_status():
    outcome = run(script("import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"), LONG_S)
    assert (outcome.rc, outcome.out, outcome.err, outcome.problem) == (3, "out\n", "err", None)
    assert not outcome.ok
    assert outcome.error_line() == "err"


def test_messages_are_in_the_c_locale():
    os.environ["LC_MESSAGES"] = "de_DE.UTF-8"
    try:
        done = run(
            script("import os; print(os.environ.get('LC_MESSAGES'), os.environ['LC_ALL'])"), LONG_S
        )
    finally:
        del os.environ["LC_MESSAGES"]
    assert done.out == "None C\n"


def test_a_program_that_hangs_is_ended_with_its_children():
    # The child keeps the pipe open, so a reader waits until the child ends.
    child = "[sys.executable, '-c', 'import signal; signal.pause()']"
    text = "import subprocess, sys; subprocess.call({0})".format(child)
    started = time.monotonic()
    outcome = run(script(text), 1)
    assert outcome.problem == "timeout"
    assert time.monotonic() - started < LONG_S


def test_a_program_that_prints_without_end_is_ended():
    outcome = run(script("while True: print('x' * 10000)"), LONG_S, limit=100000)
    assert outcome.problem == "too long"
    assert len(outcome.out) <= 100000


def test_a_missing_program_is_reported():
    outcomes = run_all({"no": ["/no/such/program"], "yes": script("print(1)")}, LONG_S)
    assert outcomes["no"].problem == "missing"
    assert outcomes["yes"].ok


def test_output_that_is_not_text_is_read():
    outcome = run(script("import os; os.write(1, bytes([255, 65]))"), LONG_S)
    assert outcome.out == "\ufffdA"


def test_which(tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("")
    assert which("tool", [str(tmp_path)]) is None
    tool.chmod(0o755)
    assert which("tool", [str(tmp_path)]) == str(tool)


@pytest.mark.parametrize("path", ["fifo", "folder", "absent", "loop", "a\0b"])
def test_a_tree_reads_plain_files_only(tmp_path, path):
    os.mkfifo(str(tmp_path / "fifo"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    assert Tree(str(tmp_path)).line(path) is None


def test_a_tree_reads_up_to_a_limit(tmp_path):
    (tmp_path / "big").write_bytes(b"a" * 100000)
    tree = Tree(str(tmp_path))
    assert len(tree.text("big", 1000)) == 1000
    assert len(tree.line("big")) == 256
    (tmp_path / "empty").write_text("")
    assert tree.line("empty") == ""
    assert tree.names("big") == []
