# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts with simulated clocks, and the program that runs on them."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

NATIVE = Path(__file__).resolve().parent.parent
BUILD = NATIVE / "build"
SCHEMA = NATIVE.parent / "docs" / "schema" / "clockprobe-v1.json"
BOOT_ID = "6e38c97f-73c2-44f1-b92b-341addd61131"
COUNTERS = (
    "ptp_gettm",
    "ptp_gettm_inval_err",
    "ptp_gettm_tout_err",
    "ptp_gettm_excd_thresh",
    "dev_clk_abn",
    "dev_clk_abn_rec",
    "dev_maint",
    "dev_maint_rec",
    "dev_maint_tout",
    "dev_busy",
    "dev_busy_rec",
    "dev_err",
    "dev_err_rec",
)
REGISTERS = {
    "dev_feat": 0xF,
    "gst_feat": 0xE,
    "drv_ver": 0x00010300,
    "env_ver": 0xF8060C6B,
    "dev_stat": 2,
    "sync_stat": 0,
    "tm_prec_ns": 100,
    "epo_base_yr": 2020,
    "leap_sec": 37,
    "max_lat_ns": 2_000_000,
    "mt_tout_us": 5_000_000,
    "thresh_us": 500,
}


@dataclass
class Outcome:
    """How a run of the program ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON it wrote, validated against its schema."""
        document = json.loads(self.out)
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
        return document


class Host:
    """A root directory that clockprobe reads as a host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path("/sys/class/x")
        self.write("/proc/sys/kernel/random/boot_id", BOOT_ID + "\n")
        self.write("/proc/stat", "cpu  100 0 50 800 10 0 0 40 0 0\n")
        self.write(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n"
        )

    def path(self, path: str) -> Path:
        full = self.root / path.lstrip("/")
        full.parent.mkdir(parents=True, exist_ok=True)
        return full

    def write(self, path: str, text: str) -> None:
        self.path(path).write_text(text)

    def link(self, path: str, target: str) -> None:
        full = self.path(path)
        full.unlink(missing_ok=True)
        full.symlink_to(target)

    def function(self, address: str = "0000:00:10.0", driver: str | None = "ptp_cipu") -> None:
        self.write(f"/sys/bus/pci/devices/{address}/vendor", "0x1ded\n")
        self.write(f"/sys/bus/pci/devices/{address}/device", "0x500c\n")
        if driver:
            self.link(f"/sys/bus/pci/devices/{address}/driver", f"../../drivers/{driver}")

    def clock(self, index: int, name: str, address: str | None = None, /, **behaviour: int) -> None:
        """A clock that behaves as tests/sim/phc_sim_os.c reads it from the node."""
        self.write(f"/sys/class/ptp/ptp{index}/clock_name", name + "\n")
        if address:
            self.link(f"/sys/class/ptp/ptp{index}/device", f"../../../bus/pci/devices/{address}")
        self.write(f"/dev/ptp{index}", "".join(f"{k} {v}\n" for k, v in behaviour.items()))

    def cipu(self, index: int = 0, address: str = "0000:00:10.0", **behaviour: int) -> None:
        self.function(address)
        self.clock(index, "ptp_cipu", address, **behaviour)
        folder = f"/sys/bus/pci/devices/{address}/cipu"
        for register, value in REGISTERS.items():
            self.write(f"{folder}/reg_{register}", f"{value:#x}\n")
        self.write(f"{folder}/drv_cap", "0xe\n")
        for counter in COUNTERS:
            self.write(f"{folder}/{counter}", "0x0\n")

    def command(self, *arguments: str, program: str = "check/clockprobe-sim") -> list[str]:
        return [str(BUILD / program), "--root", str(self.root), *arguments]

    def probe(
        self,
        *arguments: str,
        program: str = "check/clockprobe-sim",
        before: Callable[[], Any] | None = None,
    ) -> Outcome:
        """Run clockprobe, after before() in its process."""
        done = subprocess.run(
            self.command(*arguments, program=program),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=before,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)
