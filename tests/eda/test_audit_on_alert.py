# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert of Alertmanager makes ansible-rulebook audit the host that it names, and no other."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fleet.errors import TimeoutExpiredError
from fleet.waiting import until

ROOT = Path(__file__).resolve().parents[2]
RULEBOOK = ROOT / "extensions/eda/rulebooks/audit_on_alert.yml"
TOKEN = "token-of-the-test"
START_S, AUDIT_S = 60, 90


class Service(NamedTuple):
    port: int
    reports: Path
    marker: Path
    log: Path


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("eda")
    reports = folder / "reports"
    reports.mkdir()
    port = free_port()
    hosts = {name: {"ansible_connection": "local"} for name in ("db1", "db2")}
    (folder / "inventory.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    variables = {"cipu_eda_port": port, "cipu_eda_token": TOKEN, "cipu_eda_reports": str(reports)}
    (folder / "variables.yml").write_text(json.dumps(variables))
    command = ["ansible-rulebook", "--rulebook", str(RULEBOOK), "-i", str(folder / "inventory.yml")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--vars", str(folder / "variables.yml")], stdout=log, stderr=log, cwd=folder
        )
        try:
            wait("ansible-rulebook", lambda: listens(port), START_S, folder / "log")
            yield Service(port, reports, folder / "marker", folder / "log")
        finally:
            process.terminate()
            process.wait(30)


def wait(what: str, condition: Callable[[], bool], limit_s: float, log: Path) -> None:
    try:
        until(condition, limit_s, what)
    except TimeoutExpiredError as error:
        pytest.fail(f"{error} Log of ansible-rulebook:\n{log.read_text()}")


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def send(service: Service, *instances: str, token: str = TOKEN, **more: str) -> int:
    """Post alerts as Alertmanager does; returns the status."""
    labels = {"alertname": "CipuClockSyncStatCritical", **more}
    alerts = [{"status": "firing", "labels": {**labels, "instance": name}} for name in instances]
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/endpoint",
        data=json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=AUDIT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_wrong_token_is_refused(service: Service) -> None:
    assert send(service, "db1", token="wrong") == 401


def test_the_host_of_the_alert_is_audited_and_no_other(service: Service) -> None:
    template = "{{ lookup('pipe', 'touch MARKER') }}".replace("MARKER", str(service.marker))
    began_s = time.monotonic()
    assert send(service, "db1", alertname="OtherAlert") == 200
    assert send(service, template, "all", "db2;x", "db2") == 200
    report = service.reports / "db2.json"
    wait("the report of db2", report.exists, AUDIT_S, service.log)
    print(f"alert to report: {time.monotonic() - began_s:.1f} s")
    assert [row["host"] for row in json.loads(report.read_text())["hosts"]] == ["db2"]
    assert [path.name for path in service.reports.iterdir()] == ["db2.json"]
    assert not service.marker.exists()
