# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks in CONTRIBUTING.md has every make target and nox session that checks."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Targets that build, show or remove something.
NO_CHECKS = {"artifact", "clean", "demo", "help", "images", "setup", "test"}
ROW = re.compile(r"^\| `(make|nox -e) ([a-z-]+)` \| [^|]+ \| (\d+|-|MINUTES) \| ([^|]*)\|$", re.M)


def table():
    """(program, name) -> what it is part of."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition("\n## Checks\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    found = ROW.findall(section)
    assert len(found) == len(rows), "a row has another form"
    return {(program, name): part.strip() for program, name, _, part in found}


def sessions():
    """Name of each nox session -> whether it runs by default, as nox lists them."""
    command = [sys.executable, "-m", "nox", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.findall(r"^([*-]) ([a-z-]+)(?:\(.*?\))? ->", done.stdout, re.MULTILINE)
    # matrix-generator comes with antsibull-nox and prints what a CI system asks for.
    return {name: mark == "*" for mark, name in found if name != "matrix-generator"}


def targets():
    makefile = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)) - NO_CHECKS


def steps():
    """The steps of `make test`."""
    (lanes,) = re.findall(r"^LANES = (.*)$", (ROOT / "tests/run").read_text(), re.MULTILINE)
    return (set(re.findall(r'"([a-z-]+)"', lanes)) | {"vm"}) - NO_CHECKS


def test_every_make_target_that_checks_is_in_the_table():
    assert {name for program, name in table() if program == "make"} == targets()


def test_every_nox_session_is_in_the_table():
    assert {name for program, name in table() if program == "nox -e"} == set(sessions())


def test_the_table_shows_what_make_test_and_make_lint_run():
    rows = table()
    whole = {name for (program, name), part in rows.items() if part == "`make test`"}
    assert whole == steps()
    lint = {name for (program, name), part in rows.items() if part == "`make lint`"}
    assert lint == {name for name, is_default in sessions().items() if is_default}
