# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of an emulated clock, seen by a real Prometheus and Alertmanager on this machine.

The machine of the lab is reached through ssh port forwarding. Each fault must fire its alert and no
alert may stay once the fault is cleared. Prints a table: fault, alert, seconds until it fires and
until it clears.
"""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LAB = [str(ROOT / "molecule/lab/lab"), "--lab", os.environ.get("CIPU_LAB_NAME", "molecule-monitor")]
RULES = ROOT / "extensions/prometheus/cipu_clock.rules.yml"
START_S, FIRE_S, CLEAR_S = 60, 420, 420
# Fault of the emulator and its parameters, and the alert that must fire.
FAULTS = [
    (["clock_abnormal"], "CipuClockSyncStatCritical"),
    (["maintenance"], "CipuClockSyncStatWarning"),
]


class Fleet(NamedTuple):
    prometheus: str
    alertmanager: str


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def lab(*words: str) -> str:
    return subprocess.run([*LAB, *words], check=True, capture_output=True, text=True).stdout


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def wait(what: str, condition: Callable[[], bool], limit_s: float) -> float:
    """Seconds until the condition holds; fails after limit_s."""
    began_s = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError):
            if condition():
                return time.monotonic() - began_s
        if time.monotonic() - began_s > limit_s:
            pytest.fail(f"{what}: not within {limit_s} s")
        time.sleep(1)


@contextlib.contextmanager
def program(log: Path, *command: str) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(20)


def forward(port: int) -> list[str]:
    """The ssh command that makes the node_exporter of node1 reachable at a local port."""
    host = json.loads(lab("inventory", "--list"))["_meta"]["hostvars"]["node1"]
    options = shlex.split(host["ansible_ssh_common_args"])
    return [
        *("ssh", "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:9100", "-p", str(host["ansible_port"])),
        *("-i", str(host["ansible_ssh_private_key_file"]), *options),
        f"{host['ansible_user']}@{host['ansible_host']}",
    ]


def rules(folder: Path) -> Path:
    """The committed rules with shorter waits, so that a fault is seen within minutes."""
    content = yaml.safe_load(RULES.read_text())
    for group in content["groups"]:
        for rule in group["rules"]:
            rule["for"] = "15s"
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("prometheus")
    exporter, prometheus, alertmanager = free_port(), free_port(), free_port()
    target = {"targets": [f"127.0.0.1:{exporter}"], "labels": {"instance": "node1", "zone": "lab"}}
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
                "rule_files": [str(rules(folder))],
                "alerting": {
                    "alertmanagers": [
                        {"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}
                    ]
                },
                "scrape_configs": [{"job_name": "node", "static_configs": [target]}],
            }
        )
    )
    (folder / "alertmanager.yml").write_text(
        yaml.safe_dump({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]})
    )
    with (
        program(folder / "ssh.log", *forward(exporter)),
        program(
            folder / "alertmanager.log",
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        ),
        program(
            folder / "prometheus.log",
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ),
    ):
        found = Fleet(f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}")
        wait("Prometheus", lambda: value(found, "up") == 1, START_S)
        yield found


def value(fleet: Fleet, query: str) -> float | None:
    """The value of an instant query with one result, None without one."""
    result = get(f"{fleet.prometheus}/api/v1/query?query={query}")["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def alerts(fleet: Fleet) -> set[str]:
    """Names of the alerts that have reached Alertmanager and stand."""
    return {one["labels"]["alertname"] for one in get(f"{fleet.alertmanager}/api/v2/alerts")}


def test_metrics_of_both_services_arrive(fleet: Fleet) -> None:
    assert value(fleet, "node_textfile_scrape_error") == 0
    assert value(fleet, "cipu_chrony_up") == 1
    assert value(fleet, "clockprobe_offset_uncertainty_seconds") is not None
    assert value(fleet, 'cipu_clock_check_severity{check="sync_stat"}') == 0


@pytest.mark.parametrize(("fault", "alert"), FAULTS, ids=[alert for _fault, alert in FAULTS])
def test_a_fault_fires_its_alert_and_clears_it(fleet: Fleet, fault: list[str], alert: str) -> None:
    lab("fault", "node1", *fault, "on")
    try:
        fired_s = wait(f"{alert} fires", lambda: alert in alerts(fleet), FIRE_S)
        seen = alerts(fleet)
    finally:
        lab("fault", "node1", *fault, "off")
    cleared_s = wait(f"{alert} clears", lambda: alert not in alerts(fleet), CLEAR_S)
    others = ", ".join(sorted(seen - {alert})) or "none"
    print(f"\n{fault[0]:16} {alert:28} {fired_s:5.0f} s {cleared_s:5.0f} s  others: {others}")
