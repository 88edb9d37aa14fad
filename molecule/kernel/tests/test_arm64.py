# SPDX-License-Identifier: GPL-3.0-or-later
"""On a packaged arm64 kernel: boot time, cost of a read, alignment, and the static clockprobe.

Needs --kernel 6.12-arm64 or the like; `make test-arm64` also runs the tests of amd64 kernels.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from guestkernel import boxes, packaged, readcost
from guestkernel.box import Box
from guestkernel.kernel import Kernel
from guestkernel.modules import DRIVER

NATIVE = DRIVER.parent / "native"
# A 16-bit read at 0x11: amd64 executes it, arm64 faults on device memory.
UNALIGNED = {
    "cipu_event.c": [
        ("readb(cipu->base + CIPU_SYNC_STAT)", "(u8)readw(cipu->base + CIPU_SYNC_STAT)")
    ]
}
READS = ("extended", "basic", "gettime")


@pytest.fixture(scope="module")
def clockprobe(kernel: Kernel, work: Path) -> Path:
    if kernel.architecture != "arm64":
        pytest.skip("needs --kernel SERIES-arm64")
    folder = work / "native"
    folder.mkdir()
    shutil.copy(NATIVE / "Makefile", folder)
    shutil.copytree(NATIVE / "src", folder / "src")
    tree, _ = packaged.find(kernel.name.partition("-")[0], architecture=kernel.architecture)
    done = packaged.trees.run(tree, folder, "make static-arm64", 300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build/static-arm64/clockprobe"


@pytest.fixture(scope="module")
def arm64(kernel: Kernel, work: Path, clockprobe: Path) -> Iterator[Box]:
    with boxes.booted(
        kernel,
        work / "arm64",
        boxes.PARTS[:2],
        variants={"unaligned": UNALIGNED},
        programs=[clockprobe],
    ) as box:
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        yield box


def test_arm64_reads_the_clock_by_every_method(arm64: Box) -> None:
    boxes.heal(arm64)
    print(f"booted {arm64.sh('uname -r')} in {arm64.boot_s:.1f} s")
    assert arm64.sh("uname -m") == "aarch64"
    for method in READS:
        assert arm64.read(method=method, calls=20)["errors"] == {}, method
    counts = arm64.controls[boxes.PRIMARY].counts()
    assert counts["unaligned"] == counts["wrong_width"] == 0
    assert not arm64.splats()


def test_arm64_read_costs_what_one_with_the_same_system_times_costs(arm64: Box) -> None:
    boxes.heal(arm64)
    cost = readcost.measure(arm64)
    print(cost)
    assert cost.own <= readcost.LIMIT


def test_the_static_clockprobe_measures_on_arm64(arm64: Box) -> None:
    boxes.heal(arm64)
    answer = arm64.json("clockprobe --json")
    measured = {clock["node"]: clock["measurement"]["status"] for clock in answer["clocks"]}
    assert measured[arm64.clock()] == "ok", measured


def test_arm64_faults_on_an_unaligned_read(arm64: Box) -> None:
    """The last test: the kernel does not recover."""
    boxes.heal(arm64)
    arm64.unload()
    before = arm64.mark()
    arm64.run("insmod /root/unaligned.ko", 60)
    fault = arm64.wait_log(r"Internal error: .*|Unable to handle .*", 30, before)
    print(f"unaligned read: {fault.group(0).strip()}")
    assert "ptp_cipu" in arm64.log(before)
    assert arm64.splats()
