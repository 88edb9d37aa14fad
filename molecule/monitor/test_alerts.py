# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of emulated clocks, seen by a real Prometheus and Alertmanager on this machine.

The machines of the lab are reached through ssh port forwarding. Each fault of vars/alerts.yml must
fire its alerts, and they must end after it. Every alert of the rules is in the table or has the
reason why no fault fires it. The table is written after each fault, so that a run that was stopped
leaves what it measured.
"""

import contextlib
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
from alert_table import ALERTS, CHECKS, LANES, LAST, NOT_FIRED, Case, chosen, claims, page
from prometheus.servers import Servers, Times, free_port, program, servers, wait

HERE = Path(__file__).resolve().parent
LAB = [str(HERE.parent / "lab/lab"), "--lab", os.environ.get("CIPU_LAB_NAME", "molecule-monitor")]
TABLE_PATH = Path(os.environ.get("CIPU_CACHE", HERE.parents[1] / ".cache")) / "monitor/alerts.md"
# Words that select faults by their names; see tests/vm.
WORDS = os.environ.get("STEPS", "").split()
THRESHOLDS = "/etc/cipu-clock/thresholds.json"
# An emulated machine needs seconds for a run of the collector, on a busy host a minute.
TIMES = Times(scrape_s=2, lasts_s=2, event_s=20, stale_s=150, gone_s=60)
HEALTHY_S, QUIET_S, FIRE_S, END_S, STEP_S = 600, 30, 300, 300, 300
# No fault begins after this time. The test fails if some were left out.
MINUTES = float(os.environ.get("CIPU_ALERT_MINUTES", "45"))
# Checks that a busy machine may fail at any time; see faults_unsteady of the scenario faults.
UNSTEADY = {"CipuClockReachWarning", "CipuClockReadErrorsWarning", "CipuClockSkewWarning"}
# Checks that need a VMClock or a pinned version.
NOT_MADE = {"vmclock", "driver_version"}
HOSTS = sorted({chain[0].host for lane in [*LANES.values(), LAST] for chain in lane})


def lab(*words: str) -> str:
    command = [*LAB, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STEP_S)
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def forward(host: str, port: int) -> list[str]:
    """The ssh command that makes the node_exporter of a host reachable at a local port."""
    known = json.loads(lab("inventory", "--list"))["_meta"]["hostvars"][host]
    options = shlex.split(known["ansible_ssh_common_args"])
    return [
        *("ssh", "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:9100", "-p", str(known["ansible_port"])),
        *("-i", str(known["ansible_ssh_private_key_file"]), *options),
        f"{known['ansible_user']}@{known['ansible_host']}",
    ]


class Limits:
    """The thresholds of one host. Faults of several lanes set some of them at the same time."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.lock = threading.Lock()
        self.set: dict[str, dict[str, Any]] = {}
        self.usual = json.loads(lab("ssh", host, f"cat {THRESHOLDS}"))

    def change(self, lane: str, limits: dict[str, Any]) -> None:
        """Set thresholds for a lane, or restore the usual ones with {}."""
        with self.lock:
            if self.set.get(lane, {}) == limits:
                return
            self.set[lane] = limits
            wanted = dict(self.usual)
            for one in self.set.values():
                wanted.update(one)
            new = f"{THRESHOLDS}.new"
            text = shlex.quote(json.dumps(wanted))
            lab("ssh", self.host, f"printf %s {text} >{new} && mv {new} {THRESHOLDS}")


class Bench:
    """The machines, the alerts that stand now, and which fault may fire which of them."""

    def __init__(self, found: Servers) -> None:
        self.servers = found
        # Pairs of host and alert. For each that ended: when.
        self.now: set[tuple[str, str]] = set()
        self.gone_s: dict[tuple[str, str], float] = {}
        self.changed = threading.Condition()
        self.claimed: dict[tuple[str, str], str] = {}
        self.active: list[Case] = []
        self.ended: list[Case] = []
        self.limits = {host: Limits(host) for host in HOSTS}
        self.stop = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self) -> None:
        while not self.stop.wait(0.5):
            try:
                labels = [one["labels"] for one in self.servers.alerts()]
            except (OSError, ValueError):
                continue
            now = {(one.get("instance", ""), one["alertname"]) for one in labels}
            with self.changed:
                self.gone_s.update(dict.fromkeys(self.now - now, time.monotonic()))
                for case in self.active:
                    case.others |= {
                        name
                        for host, name in now
                        if host == case.host
                        and self.claimed.get((host, name), case.first) == case.first
                    }
                self.now = now
                self.changed.notify_all()

    def standing(self, host: str, names: set[str]) -> set[str]:
        return {name for name in names if (host, name) in self.now}

    def claim(self, left: list[list[Case]]) -> list[Case]:
        """Take a chain whose alerts no other chain can fire now, and whose thresholds none sets."""

        def keys(chain: list[Case]) -> set[tuple[str, str]]:
            return {(chain[0].host, name) for name in claims(chain)}

        def free() -> list[list[Case]]:
            return [chain for chain in left if not keys(chain) & self.claimed.keys()]

        with self.changed:
            assert self.changed.wait_for(free, 2 * STEP_S), f"{sorted(self.claimed)} stay claimed"
            chain = free()[0]
            self.claimed.update(dict.fromkeys(keys(chain), chain[0].name))
        left.remove(chain)
        return chain

    def release(self, chain: list[Case]) -> None:
        with self.changed:
            for name in claims(chain):
                del self.claimed[chain[0].host, name]
            self.changed.notify_all()

    def run(self, case: Case, key: str) -> None:
        for step in case.steps(key):
            lab(*step)

    def fire(self, case: Case) -> None:
        """Inject a fault and wait for its alerts. They need not stand at the same time."""
        with self.changed:
            self.active.append(case)
            case.stood = self.standing(case.host, case.fires)
            case.began_s = time.monotonic()
        self.limits[case.host].change(case.lane, case.limits)
        self.run(case, "begin")
        deadline_s = time.monotonic() + FIRE_S
        while time.monotonic() < deadline_s:
            with self.changed:
                self.changed.wait(1)
                for name in self.standing(case.host, case.fires):
                    case.fired_s.setdefault(name, time.monotonic() - case.began_s)
            if case.fired_s.keys() == case.fires:
                return
            if case.fault.get("repeat"):
                self.run(case, "begin")
        case.problem = f"not fired: {', '.join(sorted(case.fires - case.fired_s.keys()))}"

    def end(self, chain: list[Case], ended_s: float) -> None:
        """Wait until the alerts of a chain have ended, after its last fault was cleared."""
        last, host = chain[-1], chain[0].host
        both: set[str] = set().union(*(case.fires | case.may for case in chain)) - UNSTEADY
        with self.changed:
            if not self.changed.wait_for(lambda: not self.standing(host, both), END_S):
                last.problem += f" not ended: {', '.join(sorted(self.standing(host, both)))}"
            self.clear(chain, ended_s)
        try:
            self.limits[host].change(last.lane, {})
        except (AssertionError, subprocess.TimeoutExpired) as error:
            last.problem += str(error)
        with self.changed:
            for case in chain:
                self.active.remove(case)
                case.others -= case.fires
                print("\n" + case.line(), end="", flush=True)
            self.ended += chain
            write_table(self.ended)
        self.release(chain)

    def clear(self, chain: list[Case], ended_s: float) -> None:
        """Record when the alerts ended: after the next fault of the chain began, or after all."""
        for place, case in enumerate(chain):
            after = chain[place + 1] if case is not chain[-1] else None
            cause_ended_s = after.began_s if after else ended_s
            for name in case.fires - (after.fires if after else set()):
                gone_s = self.gone_s.get((case.host, name), 0)
                if (case.host, name) not in self.now and gone_s >= case.began_s:
                    case.cleared_s[name] = max(0, gone_s - cause_ended_s)

    def play(self, chain: list[Case], pool: ThreadPoolExecutor) -> "Future[None]":
        first = chain[0]
        with self.changed:
            # An unsteady alert can stand for another reason. Then its time would not be measured.
            self.changed.wait_for(lambda: not self.standing(first.host, first.fires), END_S)
        for case in chain:
            try:
                self.fire(case)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                case.problem = str(error)
        ended_s = time.monotonic()
        try:
            self.run(chain[-1], "end")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            chain[-1].problem += str(error)
        return pool.submit(self.end, chain, ended_s)


def write_table(cases: list[Case]) -> None:
    TABLE_PATH.parent.mkdir(parents=True, exist_ok=True)
    TABLE_PATH.write_text("\n".join(page(cases)) + "\n")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("prometheus")
    targets = []
    with contextlib.ExitStack() as stack:
        for host in HOSTS:
            port = free_port()
            stack.enter_context(program(folder / f"ssh-{host}.log", *forward(host, port)))
            labels = {"instance": host, "zone": "lab"}
            targets.append({"targets": [f"127.0.0.1:{port}"], "labels": labels})
        bench = Bench(stack.enter_context(servers(folder, targets, TIMES)))
        yield bench
        bench.stop.set()
        bench.watcher.join(20)


def test_metrics_of_both_services_arrive(bench: Bench) -> None:
    found = bench.servers
    for host in HOSTS:
        where = f'instance="{host}"'
        assert found.value(f"node_textfile_scrape_error{{{where}}}") == 0
        assert found.value(f"cipu_chrony_up{{{where}}}") == 1
        assert found.values(f"clockprobe_offset_uncertainty_seconds{{{where}}}") != []
        assert found.value(f'cipu_clock_check_severity{{{where},check="sync_stat"}}') == 0


def test_the_collector_makes_every_check(bench: Bench) -> None:
    """A check that cannot be made has no metric, and so its alert can never fire."""
    for host in HOSTS:
        made = bench.servers.values(f'cipu_clock_check_severity{{instance="{host}"}}')
        checks = {one["metric"]["check"] for one in made}
        assert CHECKS - checks <= NOT_MADE


@pytest.mark.timeout(900)
def test_a_healthy_host_fires_no_alert(bench: Bench) -> None:
    """The machine has just started, so that chrony's skew and reach may need some time."""
    wait("no alert", lambda: not bench.now, HEALTHY_S)
    began_s = time.monotonic()
    seen: set[str] = set()
    while time.monotonic() - began_s < QUIET_S:
        with bench.changed:
            bench.changed.wait(1)
            seen |= {name for _host, name in bench.now}
    assert seen <= UNSTEADY


@pytest.mark.timeout(4200)
def test_faults_fire_their_alerts_and_the_table_is_complete(bench: Bench) -> None:
    began_s = time.monotonic()
    deadline_s = began_s + MINUTES * 60
    print("\nfault | seconds until each alert fires/clears | other alerts", end="")
    lanes = {lane: chosen(chains, WORDS) for lane, chains in LANES.items()}
    last = chosen(LAST, WORDS)
    cases = [case for lane in [*lanes.values(), last] for chain in lane for case in chain]
    with ThreadPoolExecutor(4 * len(lanes)) as pool:
        endings: list[Future[None]] = []

        def drive(lane: str) -> None:
            left = list(lanes[lane])
            while left and time.monotonic() < deadline_s:
                endings.append(bench.play(bench.claim(left), pool))

        for running in [pool.submit(drive, lane) for lane in lanes]:
            running.result()
        for ending in endings:
            ending.result()
        for chain in last:
            bench.play(bench.claim([chain]), pool).result()
    write_table(cases)
    print(f"\n\n{TABLE_PATH.read_text()}")
    print(f"{len(cases)} faults in {time.monotonic() - began_s:.0f} s. Table: {TABLE_PATH}")
    fired = set().union(*(case.fired_s.keys() for case in cases))
    assert [case.line() for case in cases if case.problem] == []
    assert WORDS or set(ALERTS) - fired == NOT_FIRED.keys()
