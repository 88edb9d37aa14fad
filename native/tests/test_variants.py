# SPDX-License-Identifier: GPL-3.0-or-later
"""The program as other compilers and C libraries build it, and what the build refuses."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from made_host import BUILD, NATIVE, Host

VARIANTS = ("musl", "clang")
# Without what the make that runs the tests passes on.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "MAKE" not in name}


@pytest.fixture(params=VARIANTS)
def program(request: pytest.FixtureRequest) -> str:
    path = f"variants/{request.param}/clockprobe-sim"
    if not (BUILD / path).exists():
        pytest.skip(f"{request.param} is not installed, so make did not build its variant")
    return path


def test_every_output(host: Host, program: str) -> None:
    host.cipu(0, "0000:00:10.0", offset_ns=12_345, drift_ppb=137)
    host.clock(1, "KVM virtual PTP", precise=1)
    state = str(host.root / "state")
    outcome = host.probe("--json", "--state", state, program=program)
    assert outcome.status == 0, outcome.err
    cipu, kvm = (clock["measurement"] for clock in outcome.document["clocks"])
    assert abs(cipu["offset_ns"] - 12_345) <= cipu["uncertainty_ns"]
    assert kvm["method"] == "precise"
    host.write("/dev/ptp0", "offset_ns 12345\ndrift_ppb 137\nuptime_ns 3600000000000\n")
    again = host.probe("--json", "--state", state, program=program)
    measured = again.document["clocks"][0]["measurement"]
    assert abs(measured["frequency_ppb"] - 137) <= measured["frequency_uncertainty_ppb"] < 1
    assert host.probe(program=program).out.startswith("clock ")
    assert host.probe("--openmetrics", program=program).out.endswith("# EOF\n")
    assert host.probe("--compare", "ptp0", "ptp1", program=program).status == 0
    assert host.probe("--json", "--compare", "ptp0", "ptp1", program=program).document["compare"]


def test_a_clock_that_blocks_and_one_that_crashes(host: Host, program: str) -> None:
    host.clock(0, "ptp_cipu", blocks=1)
    host.clock(1, "ptp_cipu", crashes=1)
    reasons = [
        clock["measurement"]["reason"]
        for clock in host.probe("--json", program=program).document["clocks"]
    ]
    assert reasons == [
        "the clock did not answer in time",
        "the process that read the clock crashed",
    ]


def test_a_32_bit_compiler_is_refused_with_a_sentence() -> None:
    done = subprocess.run(
        ["make", "-C", str(NATIVE), "CC=gcc -m32", "-W", "src/text.c", "build/obj/text.o"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert "clockprobe needs a 64-bit compiler" in errors[0]


def test_flags_of_the_builder_are_used() -> None:
    done = subprocess.run(
        [
            *("make", "-n", "-B", "-C", str(NATIVE), "all", "static"),
            *("LDFLAGS=-Wl,--test-ld", "CPPFLAGS=-DTEST_CPP", "CFLAGS=-O3"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=ENVIRONMENT,
    )
    links = [line for line in done.stdout.splitlines() if " -lm" in line]
    compiles = [line for line in done.stdout.splitlines() if " -c -o " in line]
    assert len(links) == 2
    assert all("-Wl,--test-ld" in line for line in links)
    assert compiles
    assert all("-DTEST_CPP" in line for line in compiles)


def test_a_build_beside_a_read_only_source(tmp_path: Path) -> None:
    """As the role probe does it: the Makefile and the source are elsewhere."""
    (tmp_path / "src").symlink_to(NATIVE / "src")
    subprocess.run(
        ["make", "-s", "-C", str(tmp_path), "-f", str(NATIVE / "Makefile"), "static"],
        timeout=120,
        check=True,
        env=ENVIRONMENT,
    )
    done = subprocess.run(
        [str(tmp_path / "build/static/clockprobe"), "--version"], capture_output=True, check=True
    )
    assert done.stdout.startswith(b"clockprobe ")


def cross_build(folder: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "src").symlink_to(NATIVE / "src")
    command = ["make", "-s", "-C", str(folder), "-f", str(NATIVE / "Makefile"), "static-arm64"]
    return subprocess.run(
        [*command, *variables],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=ENVIRONMENT,
    )


@pytest.mark.skipif(
    shutil.which("aarch64-linux-gnu-gcc") is None, reason="gcc-aarch64-linux-gnu is not installed"
)
def test_a_static_program_for_arm64(tmp_path: Path) -> None:
    done = cross_build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    program = tmp_path / "build/static-arm64/clockprobe"
    head = program.read_bytes()[:20]
    # A position independent ELF file for AArch64, as it runs on hosts without a C library for it.
    assert (int.from_bytes(head[16:18], "little"), int.from_bytes(head[18:20], "little")) == (
        3,
        183,
    )
    assert b"/lib/ld-linux" not in program.read_bytes()
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        pytest.skip("built and checked; not run, since qemu-user-static is not installed")
    answer = subprocess.run([emulator, str(program), "--version"], capture_output=True, check=True)
    assert answer.stdout.startswith(b"clockprobe ")


@pytest.mark.parametrize("compiler", ["missing-", ""])
def test_what_a_cross_build_needs_is_one_sentence(tmp_path: Path, compiler: str) -> None:
    """Without the compiler, and with one whose C library has no headers."""
    (tmp_path / "gcc").write_text("#!/bin/sh\necho 'stdio.h: No such file' >&2; exit 1\n")
    (tmp_path / "gcc").chmod(0o755)
    done = cross_build(tmp_path, f"CROSS_arm64={compiler or f'{tmp_path}/'}")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    packages = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    assert lines == [f"static-arm64 needs a cross compiler: apt-get install {packages}"]
