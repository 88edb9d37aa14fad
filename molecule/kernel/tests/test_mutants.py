# SPDX-License-Identifier: GPL-3.0-or-later
"""Each test must fail on its fault. Runs only with --mutants, since it builds the driver often."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import test_device
import test_faults
import test_lifecycle
import test_states
from fleet.errors import LabError
from guestkernel import boxes
from guestkernel.box import Box
from guestkernel.kernel import Kernel
from guestkernel.mutants import INJECTIONS, MUTANTS, Mutant


@pytest.fixture(scope="module")
def mutated(request: pytest.FixtureRequest, kernel: Kernel, work: Path) -> Iterator[Box]:
    if not request.config.getoption("--mutants"):
        pytest.skip("needs --mutants")
    # Only the selected ones: each costs a build.
    callspecs = (getattr(item, "callspec", None) for item in request.session.items)
    chosen = {spec.params["name"] for spec in callspecs if spec is not None}
    edits = {_file(name): MUTANTS[name].edits for name in chosen if not MUTANTS[name].fatal}
    edits |= INJECTIONS
    with boxes.booted(kernel, work / "mutants", boxes.PARTS, variants=edits) as box:
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        yield box


def _run(mutant: Mutant, box: Box) -> None:
    modules = (test_faults, test_device, test_lifecycle, test_states)
    test = next(getattr(module, mutant.test) for module in modules if hasattr(module, mutant.test))
    try:
        test(box, *mutant.arguments)
    finally:
        if hasattr(test_states, mutant.test) and not mutant.fatal:
            test_states.restore(box)


def _file(name: str) -> str:
    """The name of the mutant's module file."""
    return f"mutant{list(MUTANTS).index(name)}"


@pytest.mark.parametrize("name", [name for name, mutant in MUTANTS.items() if mutant.fatal])
def test_the_test_fails_on_a_fatal_fault(
    request: pytest.FixtureRequest, kernel: Kernel, work: Path, name: str
) -> None:
    """In a machine of its own, which is not used any more afterwards."""
    if not request.config.getoption("--mutants"):
        pytest.skip("needs --mutants")
    edits = {_file(name): MUTANTS[name].edits, **INJECTIONS}
    with boxes.booted(kernel, work / _file(name), boxes.PARTS, variants=edits) as box:
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        _run(MUTANTS[name], box)
        box.unload()
        box.load()
        box.module = _file(name)
        with pytest.raises((AssertionError, LabError)):
            _run(MUTANTS[name], box)


@pytest.mark.parametrize("name", [name for name, mutant in MUTANTS.items() if not mutant.fatal])
def test_the_test_fails_on_the_fault_and_on_nothing_else(mutated: Box, name: str) -> None:
    mutant = MUTANTS[name]
    try:
        boxes.heal(mutated)
        _run(mutant, mutated)
        boxes.heal(mutated)
        mutated.unload()
        mutated.module = _file(name)
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
