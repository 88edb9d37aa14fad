# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the tests see the faults they are for? Only with --mutants: builds the driver often."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import test_faults
import test_lifecycle
from fleet.errors import LabError
from guestkernel import boxes
from guestkernel.box import Box
from guestkernel.kernel import Kernel
from guestkernel.mutants import MUTANTS, Mutant


@pytest.fixture(scope="module")
def mutated(request: pytest.FixtureRequest, kernel: Kernel, work: Path) -> Iterator[Box]:
    if not request.config.getoption("--mutants"):
        pytest.skip("needs --mutants")
    edits = {f"mutant{number}": mutant.edits for number, mutant in enumerate(MUTANTS.values())}
    with boxes.booted(kernel, work / "mutants", boxes.PARTS, variants=edits) as box:
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        yield box


def _run(mutant: Mutant, box: Box) -> None:
    test = getattr(test_faults, mutant.test, None) or getattr(test_lifecycle, mutant.test)
    test(box, *mutant.arguments)


@pytest.mark.parametrize("name", list(MUTANTS))
def test_the_test_fails_on_the_fault_and_on_nothing_else(mutated: Box, name: str) -> None:
    mutant = MUTANTS[name]
    number = list(MUTANTS).index(name)
    try:
        boxes.heal(mutated)
        _run(mutant, mutated)
        boxes.heal(mutated)
        mutated.unload()
        mutated.module = f"mutant{number}"
        mutated.load()
        with pytest.raises((AssertionError, LabError)):
            _run(mutant, mutated)
    finally:
        mutated.controls["cipu0"].clear()
        mutated.run("touch /tmp/stop")
        mutated.module = "ptp_cipu"
        mutated.wait(lambda: mutated.run("rmmod ptp_cipu")[0] == 0, 60, "unloaded")
        mutated.load()
        mutated.splats()
