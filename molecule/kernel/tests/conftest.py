# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines for the driver's tests: one boot serves a whole session."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

KERNEL = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(KERNEL.parent / "lab"), str(KERNEL), str(KERNEL.parent.parent / "driver/tests")]

from fleet.errors import LabError  # noqa: E402
from guestkernel import boxes, debug, packaged, testptp  # noqa: E402
from guestkernel.box import Box  # noqa: E402
from guestkernel.kernel import Kernel  # noqa: E402
from guestkernel.mutants import INJECTIONS  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kernel",
        default="debug",
        help="debug, or the series of a packaged kernel such as 6.1 (default: %(default)s)",
    )
    parser.addoption("--mutants", action="store_true", help="also run the tests of the mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The first test of a session waits for the boot, which is slow on a loaded host.
    for item in items:
        item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cipu-k-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    name = request.config.getoption("--kernel")
    return debug.ensure() if name == "debug" else packaged.ensure(name)


@pytest.fixture(scope="session")
def session_box(kernel: Kernel, work: Path) -> Iterator[Box]:
    with boxes.booted(kernel, work / "box", boxes.PARTS, variants=INJECTIONS) as box:
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        yield box


@pytest.fixture
def box(session_box: Box) -> Iterator[Box]:
    """The session's machine, healthy, counting from zero; its checkers must not report anything."""
    boxes.heal(session_box)
    yield session_box
    splats = session_box.splats()
    assert not splats, "\n".join(splats)


@pytest.fixture(scope="session")
def newest(work: Path) -> Iterator[Box]:
    """The newest packaged kernel: its PTP core takes a clockid and snapshots."""
    try:
        kernel = packaged.ensure("7")
    except LabError as error:
        pytest.skip(str(error))
    programs = [testptp.ensure()]
    parts = boxes.PARTS[:2]
    with boxes.booted(kernel, work / "newest", parts, programs=programs, next_kernel=True) as box:
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        yield box
