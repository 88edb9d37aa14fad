# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of an emulated clock, seen by a real Prometheus and Alertmanager on this machine.

The machine of the lab is reached through ssh port forwarding. Each fault of vars/alerts.yml must
fire its alerts, and they must end after it. Prints a table: fault, alerts, seconds until they fire
and until they end, other alerts in that time. Every alert of the rules is in it or has the reason
why no fault fires it.
"""

import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alert_table import ALERTS, LANES, LAST, NOT_FIRED, Case, claims
from prometheus.servers import Servers, Times, free_port, program, servers, wait

HERE = Path(__file__).resolve().parent
LAB = [str(HERE.parent / "lab/lab"), "--lab", os.environ.get("CIPU_LAB_NAME", "molecule-monitor")]
THRESHOLDS = "/etc/cipu-clock/thresholds.json"
# An emulated machine needs seconds for a scrape and for a run of the collector.
TIMES = Times(scrape_s=5, lasts_s=5, event_s=20, stale_s=60, gone_s=60)
HEALTHY_S, QUIET_S, FIRE_S, END_S, STEP_S = 240, 30, 150, 150, 300
# No fault begins after this time. The test fails if some were left out.
MINUTES = float(os.environ.get("CIPU_ALERT_MINUTES", "20"))
# Checks that a busy machine may fail at any time; see faults_unsteady of the scenario faults.
UNSTEADY = {"CipuClockReachWarning", "CipuClockReadErrorsWarning", "CipuClockSkewWarning"}


def lab(*words: str) -> str:
    command = [*LAB, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STEP_S)
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def forward(port: int) -> list[str]:
    """The ssh command that makes the node_exporter of node1 reachable at a local port."""
    host = json.loads(lab("inventory", "--list"))["_meta"]["hostvars"]["node1"]
    options = shlex.split(host["ansible_ssh_common_args"])
    return [
        *("ssh", "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:9100", "-p", str(host["ansible_port"])),
        *("-i", str(host["ansible_ssh_private_key_file"]), *options),
        f"{host['ansible_user']}@{host['ansible_host']}",
    ]


class Bench:
    """The machine, the alerts that stand now, and which fault may fire which of them."""

    def __init__(self, found: Servers) -> None:
        self.servers = found
        self.now: set[str] = set()
        self.changed = threading.Condition()
        self.claimed: dict[str, str] = {}
        self.active: list[Case] = []
        self.limiting = threading.Lock()
        self.limits: dict[str, dict[str, Any]] = {}
        self.thresholds = json.loads(lab("ssh", "node1", f"cat {THRESHOLDS}"))
        self.stop = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self) -> None:
        while not self.stop.wait(0.5):
            try:
                now = {one["labels"]["alertname"] for one in self.servers.alerts()}
            except (OSError, ValueError):
                continue
            with self.changed:
                for case in self.active:
                    case.others |= {a for a in now if self.claimed.get(a, case.lane) == case.lane}
                self.now = now
                self.changed.notify_all()

    def claim(self, left: list[list[Case]]) -> list[Case]:
        """Take a chain whose alerts no other chain can fire now, and whose thresholds none sets."""

        def free() -> list[list[Case]]:
            return [chain for chain in left if not claims(chain) & self.claimed.keys()]

        with self.changed:
            assert self.changed.wait_for(free, 2 * STEP_S), f"{sorted(self.claimed)} stay claimed"
            chain = free()[0]
            self.claimed.update(dict.fromkeys(claims(chain), chain[0].lane))
        left.remove(chain)
        return chain

    def release(self, chain: list[Case]) -> None:
        with self.changed:
            for name in claims(chain):
                del self.claimed[name]
            self.changed.notify_all()

    def limit(self, case: Case, limits: dict[str, Any]) -> None:
        """Set thresholds of the host for a fault, or remove them with {}."""
        with self.limiting:
            if self.limits.get(case.lane, {}) == limits:
                return
            self.limits[case.lane] = limits
            wanted = dict(self.thresholds)
            for one in self.limits.values():
                wanted.update(one)
            new = f"{THRESHOLDS}.new"
            text = shlex.quote(json.dumps(wanted))
            lab("ssh", "node1", f"printf %s {text} >{new} && mv {new} {THRESHOLDS}")

    def run(self, case: Case, key: str) -> None:
        for step in case.steps(key):
            lab(*step)

    def fire(self, case: Case) -> None:
        """Inject a fault and wait for its alerts. They need not stand at the same time."""
        began_s = time.monotonic()
        with self.changed:
            self.active.append(case)
        self.limit(case, case.fault.get("limits", {}))
        self.run(case, "begin")
        deadline_s = time.monotonic() + FIRE_S
        while time.monotonic() < deadline_s:
            with self.changed:
                self.changed.wait(1)
                for name in case.fires & self.now:
                    case.fired_s.setdefault(name, time.monotonic() - began_s)
            if case.fired_s.keys() == case.fires:
                return
            if case.fault.get("repeat"):
                self.run(case, "begin")
        case.problem = f"not fired: {', '.join(sorted(case.fires - case.fired_s.keys()))}"

    def end(self, chain: list[Case]) -> None:
        """Wait until the alerts of a chain have ended, after its last fault was cleared."""
        last, began_s = chain[-1], time.monotonic()
        both = set().union(*(case.fires | case.may for case in chain)) - UNSTEADY
        with self.changed:
            if self.changed.wait_for(lambda: not last.fires & self.now, END_S):
                last.ended_s = time.monotonic() - began_s
            if not self.changed.wait_for(lambda: not both & self.now, END_S):
                last.problem += f" not ended: {', '.join(sorted(both & self.now))}"
            for case in chain:
                self.active.remove(case)
                case.others -= case.fires
                print("\n" + case.line(), end="", flush=True)
        self.release(chain)

    def play(self, chain: list[Case], pool: ThreadPoolExecutor) -> "Future[None]":
        for case in chain:
            try:
                self.fire(case)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                case.problem = str(error)
        try:
            self.run(chain[-1], "end")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            chain[-1].problem += str(error)
        self.limit(chain[-1], {})
        return pool.submit(self.end, chain)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = free_port()
    target = {"targets": [f"127.0.0.1:{exporter}"], "labels": {"instance": "node1", "zone": "lab"}}
    with (
        program(folder / "ssh.log", *forward(exporter)),
        servers(folder, [target], TIMES) as found,
    ):
        bench = Bench(found)
        yield bench
        bench.stop.set()
        bench.watcher.join(20)


def test_metrics_of_both_services_arrive(bench: Bench) -> None:
    found = bench.servers
    assert found.value("node_textfile_scrape_error") == 0
    assert found.value("cipu_chrony_up") == 1
    assert found.value("clockprobe_offset_uncertainty_seconds") is not None
    assert found.value('cipu_clock_check_severity{check="sync_stat"}') == 0


def test_a_healthy_host_fires_no_alert(bench: Bench) -> None:
    """The machine has just started, so that chrony's skew and reach may need some time."""
    wait("no alert", lambda: not bench.now, HEALTHY_S)
    began_s = time.monotonic()
    seen: set[str] = set()
    while time.monotonic() - began_s < QUIET_S:
        with bench.changed:
            bench.changed.wait(1)
            seen |= bench.now
    assert seen <= UNSTEADY


@pytest.mark.timeout(1800)
def test_faults_fire_their_alerts_and_the_table_is_complete(bench: Bench) -> None:
    began_s = time.monotonic()
    deadline_s = began_s + MINUTES * 60
    print("\nfault | seconds until each alert fires | until they end | other alerts", end="")
    with ThreadPoolExecutor(3 * len(LANES)) as pool:
        endings: list[Future[None]] = []

        def drive(lane: str) -> None:
            left = list(LANES[lane])
            while left and time.monotonic() < deadline_s:
                endings.append(bench.play(bench.claim(left), pool))

        for running in [pool.submit(drive, lane) for lane in LANES]:
            running.result()
        for ending in endings:
            ending.result()
        for chain in LAST:
            bench.play(bench.claim([chain]), pool).result()
    cases = [case for lane in [*LANES.values(), LAST] for chain in lane for case in chain]
    print(f"\n{len(cases)} faults in {time.monotonic() - began_s:.0f} s")
    fired = set().union(*(case.fired_s.keys() for case in cases))
    print("not fired:", *(f"\n  {name}: {why}" for name, why in NOT_FIRED.items()))
    assert [case.line() for case in cases if case.problem] == []
    assert ALERTS - fired == NOT_FIRED.keys()
