# SPDX-License-Identifier: GPL-3.0-or-later
"""Every wrong command line is answered with a sentence and an exit status."""

import re
from pathlib import Path

import pytest
from fleet import UsageError, cli

USAGE = [
    ["up"],
    ["up", "many"],
    ["up", "0"],
    ["up", "33"],
    ["up", "1", "--functions", "5"],
    ["up", "1", "--functions", "-1"],
    ["up", "1", "--vcpus", "0"],
    ["up", "1", "--memory", "1"],
    ["up", "1", "--image", "debian7"],
    ["--lab", "../x", "status"],
    ["fly"],
    [],
    ["inventory", "--yaml", "--list"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_is_reported(
    cache: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = cli.main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    shown = capsys.readouterr()
    assert status == cli.EXIT_USAGE
    assert re.search(r"^lab[a-z ]*: .", shown.err, re.MULTILINE)
    assert "Traceback" not in shown.err
    assert not shown.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["ssh", "node1", "true"],
        ["console", "node1"],
        ["inventory"],
        ["fault", "node1", "busy"],
        ["control", "node1", '{"op": "status"}'],
        ["reboot", "node1"],
    ],
    ids=" ".join,
)
def test_commands_fail_without_a_lab(
    cache: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == cli.EXIT_FAILED
    assert "Lab main is not up." in capsys.readouterr().err


def test_down_without_a_lab_succeeds(cache: Path) -> None:
    assert cli.main(["down"]) == 0
    assert not (cache / "lab").exists()


def test_parameters_of_a_fault() -> None:
    assert cli._parameters(["count=0x10", "register=drv_ver", "x=-1"]) == {
        "count": 16,
        "register": "drv_ver",
        "x": -1,
    }
    for word in ("count", "=1", "a b=1"):
        with pytest.raises(UsageError):
            cli._parameters([word])
