# SPDX-License-Identifier: GPL-3.0-or-later
"""Soak test: readers of every kind run while every fault and event happens to the function.

    python -m guestkernel.soak --minutes 20 [--kernel debug]

Fails on any report of the kernel's checkers, on a leak, on a reader that does not return, and on a
counter of the driver that differs from the emulator's.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet import hotplug
from fleet.errors import LabError
from fleet.progress import say

from . import boxes, debug, packaged
from .box import Box, Part

_MAX_LAT_NS = 1_000_000_000
_PARTS = tuple(
    Part(name, ("--set", f"max_lat_ns={_MAX_LAT_NS}", "--set", "mt_tout_us=500000"))
    for name in (boxes.PRIMARY, boxes.REFERENCE)
)
_CONDITIONS = {
    "maintenance": "dev_maint",
    "clock_abnormal": "dev_clk_abn",
    "busy": "dev_busy",
    "device_error": "dev_err",
}
_BAD = ("invalid", "slow", "lost", "error", "short")
_MOST_KINDS_OF_MISMATCH = 20


class Soak:
    """One run."""

    def __init__(self, box: Box, seed: int) -> None:
        self.box = box
        self.control = box.controls[boxes.PRIMARY]
        self.random = random.Random(seed)
        self.injected: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.answers: Counter[str] = Counter()
        self.kinds: dict[str, Callable[[], None]] = {
            **{name: lambda name=name: self._condition(name) for name in _CONDITIONS},  # type: ignore[misc]
            **{
                name: lambda name=name: self._replies(name)  # type: ignore[misc]
                for name in ("invalid_timestamps", "error_replies", "short_replies")
            },
            "slow_reads": lambda: self._replies("slow_reads"),
            "lost_replies": lambda: self._replies("lost_replies"),
            "reserved_bits": lambda: self._for_a_while("reserved_bits"),
            "threshold": self._threshold,
            "step": lambda: self.control.clock(step_ns=self.random.randrange(-(10**9), 10**9)),
            "flr": lambda: self._reset("flr"),
            "pm reset": lambda: self._reset("pm"),
            "pci error": self._pci_error,
            "power loss": lambda: self._power_loss({}),
            "power loss with configuration": lambda: self._power_loss({"config": True}),
            "suspend": self._suspend,
            "all ones": self._all_ones,
            "unplug": self._unplug,
            "vanish": self._vanish,
            "unload": self._unload,
        }
        self.rounds = self.unplugs = self.rescans = 0
        self.took: defaultdict[str, float] = defaultdict(float)
        # The number of unplugs of one machine is limited.
        self.unplugging = {"unplug", "vanish"}
        # After these the driver counts from zero, or counts reads that did not reach the emulator.
        self.unaccounted = {
            "all ones",
            "power loss with configuration",
            "unplug",
            "vanish",
            "unload",
        }

    def run(self, seconds: float, rounds: int) -> None:
        """Run rounds of all events, each with a comparison, for the given time and number."""
        box, end = self.box, time.monotonic() + seconds
        box.load()
        box.sh("insmod /root/cipu_poke.ko")
        while (time.monotonic() < end or self.rounds < rounds) and not self.wrong:
            started = time.monotonic()
            self._round()
            self.rounds += 1
            say(
                f"soak: round {self.rounds} took {time.monotonic() - started:.0f} s, "
                f"{max(0, int(end - time.monotonic()))} s to go"
            )
        self.control.clear()

    def _round(self) -> None:
        accounted = [name for name in self.kinds if name not in self.unaccounted]
        self._begin()
        if self._inject(accounted):
            # Ends the load.
            self._settle()
            if self.wrong:
                return
            self._start_load()
            self._inject(sorted(self.unaccounted))
        self._stop_load()

    def _inject(self, names: list[str]) -> bool:
        """Inject each once, in random order; return False at the first report of a checker."""
        self.random.shuffle(names)
        for name in names:
            if name in self.unplugging and self.unplugs >= hotplug.MOST_UNPLUGS:
                continue
            self.injected[name] += 1
            started = time.monotonic()
            self.kinds[name]()
            self.took[name] += time.monotonic() - started
            self.wrong += self.box.splats()
            if self.wrong:
                self.wrong.append(f"the last fault was: {name}")
                return False
        return True

    def _begin(self) -> None:
        """Reset the counters of driver and emulator, and start the readers."""
        self.control.clear()
        assert self.box.rebind() == 0
        self.control.counts(reset=True)
        self._start_load()

    # Load

    def _start_load(self) -> None:
        box = self.box
        clockids = bool(box.read(clockid=1)["ok"])
        # Each thread uses every ioctl and clockid. More threads would starve the rest of the guest.
        primary = box.load_command(threads=3, clockids=clockids, reopen=True)
        other = box.load_command(boxes.REFERENCE, threads=1, clockids=clockids, reopen=True)
        box.sh(f"rm -f /tmp/stop; {primary} > /tmp/load1 2>&1 & {other} > /tmp/load2 2>&1 &")

    def _stop_load(self) -> None:
        self.box.sh("touch /tmp/stop")
        self.box.wait(lambda: self.box.run("pidof phc")[0] != 0, 120, "all readers have returned")
        for name in ("load1", "load2"):
            answer = json.loads(self.box.sh(f"cat /tmp/{name}"))
            self.answers["ok"] += answer["ok"]
            self.answers.update(answer["errors"])

    def _settle(self) -> None:
        """Stop everything and compare the driver's counters with the emulator's."""
        self.control.clear()
        self._stop_load()
        self.box.wait(lambda: self.box.read()["ok"] == 1, 120, "the clock is healthy again")
        self.box.wait(self._conditions_seen, 60, "the driver has seen the end of all conditions")
        ours, theirs = self.box.attributes(), self.control.counts()
        reads = ours["ptp_gettm"] + ours["ptp_gettm_retry"]
        reads -= ours["ptp_gettm_blocked"] + ours["ptp_gettm_offline"]
        # A call that finds the state lost counts as offline, although it has read.
        self._compare(
            "timestamp reads", reads, theirs["reads"]["tstamp_ns"], ours["dev_renegotiated"]
        )
        bad = ours["ptp_gettm_inval_err"] + ours["ptp_gettm_tout_err"] + ours["ptp_gettm_retry"]
        self._compare("bad reads", bad, sum(theirs["timestamps"][kind] for kind in _BAD))
        for condition, attribute in _CONDITIONS.items():
            seen = theirs["sync"][condition]
            self._compare(attribute, ours[attribute], seen["seen_set"])
            self._compare(f"{attribute}_rec", ours[f"{attribute}_rec"], seen["seen_cleared"])

    def _conditions_seen(self) -> bool:
        ours = self.box.attributes()
        return all(ours[name] == ours[f"{name}_rec"] for name in _CONDITIONS.values())

    def _compare(self, what: str, ours: int, theirs: int, more: int = 0) -> None:
        """The emulator counts as much as the driver, or at the most this much more."""
        self.compared[what] += 1
        if not ours <= theirs <= ours + more:
            limit = f" (up to {more} more would do)" if more else ""
            self.wrong.append(f"{what}: the driver counts {ours}, the emulator {theirs}{limit}")

    # Faults

    def _condition(self, name: str) -> None:
        attribute = _CONDITIONS[name]
        before = self.box.attribute(attribute)
        self.control.fault(name, invalid=self.random.random() < 0.3)
        self.box.wait(lambda: self.box.attribute(attribute) > before, 60, f"{name} is seen")
        self.control.fault(name, on=False)

    def _replies(self, name: str) -> None:
        parameters: dict[str, Any] = {
            "count": 1 if name == "lost_replies" else self.random.randint(1, 3)
        }
        if name == "slow_reads":
            parameters |= {"count": 1, "delay_us": _MAX_LAT_NS // 1000 + 200_000}
        if name != "invalid_timestamps":
            parameters["register"] = "tstamp_ns"
        self.control.fault(name, **parameters)
        self.box.wait(lambda: name not in self.control.status()["faults"], 120, f"{name} has hit")

    def _for_a_while(self, name: str) -> None:
        self.control.fault(name)
        self.box.sh("true")
        self.control.fault(name, on=False)

    def _threshold(self) -> None:
        value = self.random.randrange(1, 1 << 32)
        self.control.set("thresh_us", value)
        self.box.wait(
            lambda: self.box.attribute("reg_thresh_us") == value, 60, "the threshold is read"
        )

    def _reset(self, method: str) -> None:
        device = self.box.device()
        self.box.sh(f"echo {method} > {device}/reset_method && echo 1 > {device}/reset")

    def _pci_error(self) -> None:
        poke = "/sys/module/cipu_poke/parameters/poke"
        for what in ("frozen", "slot_reset", "resume"):
            self.box.sh(f"echo {what} {self.box.address()} > {poke}")

    def _power_loss(self, parameters: dict[str, Any]) -> None:
        self.control.fault("reset", **parameters)
        self._wait_healthy("negotiated again")

    def _wait_healthy(self, what: str) -> None:
        """Wait until the driver has negotiated, if necessary, and returns the time."""

        def healthy() -> bool:
            if not self.box.bound():
                # ACPI hotplug checks a function late after a plug, and removes one that does not
                # respond then. Only a rescan finds it again.
                self.rescans += 1
                self.box.sh("echo 1 > /sys/bus/pci/rescan")
                return False
            in_use = self.control.status()["registers"]["dev_stat"] == 2
            return bool(in_use and self.box.read()["ok"] == 1)

        self.box.wait(healthy, 120, what)

    def _suspend(self) -> None:
        test = "/sys/power/pm_test"
        self.box.run("echo 1 > /sys/module/suspend/parameters/pm_test_delay")
        self.box.sh(
            f"echo devices > {test} && echo mem > /sys/power/state; echo none > {test}", 300
        )

    def _all_ones(self) -> None:
        self.control.fault("all_ones", config=self.random.random() < 0.5)
        self.box.sh("true")
        self.control.fault("all_ones", on=False)
        self._wait_healthy("back from all ones")

    def _unplug(self) -> None:
        self.unplugs += 1
        self.box.machine.unplug(boxes.PRIMARY, 120)
        self.box.machine.plug(boxes.PRIMARY)
        self.box.wait(self.box.bound, 120, "bound again")

    def _vanish(self) -> None:
        # QEMU (seen in 11.1) aborts on a write to a function that has just vanished.
        self._wait_healthy("no fault is active")
        self.control.fault("vanish")
        self.box.sh("true")
        self.control.fault("return")
        self._unplug()

    def _unload(self) -> None:
        self.box.wait(lambda: self.box.run("rmmod ptp_cipu")[0] == 0, 120, "unloaded")
        self.box.load()
        self.box.wait(self.box.bound, 120, "bound again")

    def report(self) -> str:
        lines = [f"{'fault':<32}{'times':>6}{'s each':>8}"]
        for name, count in sorted(self.injected.items()):
            lines.append(f"{name:<32}{count:>6}{self.took[name] / count:>8.1f}")
        lines.append(f"{'compared with the emulator':<32}{'times':>6}")
        lines += [f"{name:<32}{count:>6}" for name, count in sorted(self.compared.items())]
        lines.append(f"{'answers to readers':<32}{'times':>10}")
        lines += [f"{name:<32}{count:>10}" for name, count in self.answers.most_common()]
        lines.append(f"bus rescans that were needed: {self.rescans}")
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=0, help="minimum number of rounds")
    parser.add_argument("--kernel", default="debug", help="debug, or a series such as 6.1 or 7")
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFF)
    options = parser.parse_args()
    kernel = debug.ensure() if options.kernel == "debug" else packaged.ensure(options.kernel)
    say(f"soak: {options.minutes:g} minutes on {kernel.name} {kernel.release}, seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="cipu-s-") as folder:
        started = time.monotonic()
        with boxes.booted(kernel, Path(folder) / "box", _PARTS) as box:
            say(f"soak: booted after {time.monotonic() - started:.0f} s")
            soak = Soak(box, options.seed)
            try:
                soak.run(60 * options.minutes, options.rounds)
                leaks = "" if soak.wrong else _leaks(box)
            finally:
                print(soak.report())
            wrong = soak.wrong + box.splats() + ([leaks] if leaks else [])
            report = box.first_report()
    if report:
        print(report)
    for line in wrong[:_MOST_KINDS_OF_MISMATCH]:
        print(f"WRONG: {line}")
    # No packaged kernel has kmemleak.
    leaked = leaks.count("unreferenced object") if kernel.name == "debug" else "not looked for"
    print(f"rounds {soak.rounds}, wrong {len(wrong)}, leaks {leaked}")
    print(f"{0 if wrong else 1} passed, {1 if wrong else 0} failed")
    return 1 if wrong else 0


def _leaks(box: Box) -> str:
    box.unload()
    return box.leaks()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"soak: {error}")
