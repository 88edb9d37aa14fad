# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident of a zone, from metrics to Alertmanager: real exporters, Prometheus and Alertmanager.

Each host is a node_exporter of its own, with the file that the collector of the role monitor writes
for simulated facts. In a zone of five hosts, three get an abnormal clock; in another, one does.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge
from ansible_collections.cipu.clock.plugins.module_utils._host.files import replace
from ansible_collections.cipu.clock.plugins.module_utils._metrics.exposition import exposition
from prometheus.servers import Servers, Times, free_port, program, servers, wait
from unit.plugins import made

HOSTS = [f"{zone}{number}" for zone in "ab" for number in range(1, 6)]
FAULTY = {"a1", "a2", "a3", "b1"}
LIMIT_S = 60


class Zones:
    """The hosts, their exporters, and the servers that scrape them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: Servers

    def write(self, host: str, abnormal: bool) -> None:
        facts = made.facts()
        made.change(facts, "clocks.0.cipu.sync.clock_abnormal", abnormal)
        health = judge(facts, now_s=made.NOW_S)
        text = exposition(facts, health, [check.name for check in CHECKS], time.time())
        replace(str(self.folder / host / "cipu_clock.prom"), text)

    def alerts(self, name: str) -> dict[tuple[str, str, str], str]:
        """(zone, host, check) -> state of each alert of this name."""
        found = {}
        for one in self.servers.alerts():
            labels = one["labels"]
            if labels["alertname"] == name:
                key = (labels["zone"], labels.get("instance", ""), labels["check"])
                found[key] = one["status"]["state"]
        return found


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[Zones]:
    found = Zones(tmp_path)
    targets = []
    with contextlib.ExitStack() as stack:
        for host in HOSTS:
            (tmp_path / host).mkdir()
            found.write(host, abnormal=False)
            port = free_port()
            stack.enter_context(
                program(
                    tmp_path / f"{host}.log",
                    "prometheus-node-exporter",
                    "--collector.disable-defaults",
                    "--collector.textfile",
                    f"--collector.textfile.directory={tmp_path / host}",
                    f"--web.listen-address=127.0.0.1:{port}",
                )
            )
            labels = {"instance": host, "zone": host[0]}
            targets.append({"targets": [f"127.0.0.1:{port}"], "labels": labels})
        found.servers = stack.enter_context(servers(tmp_path, targets, Times(stale_s=3600)))
        yield found


def test_many_hosts_of_a_zone_with_one_condition_alert_once(zones: Zones) -> None:
    query = "count(cipu_clock_severity == 0)"
    wait("metrics of all hosts", lambda: zones.servers.value(query) == len(HOSTS), LIMIT_S)
    assert zones.servers.alerts() == []
    for host in FAULTY:
        zones.write(host, abnormal=True)
    hosts = {(host[0], host, "sync_stat") for host in FAULTY}
    # The other zone has one such host, which alerts for itself. In this one the zone alone does.
    expected = {key: "active" if key[0] == "b" else "suppressed" for key in hosts}
    fired_s = wait("the zone's alert", lambda: zones.alerts("CipuClockZoneIncident") != {}, LIMIT_S)
    wait(
        "alerts of the hosts, inhibited in the zone",
        lambda: zones.alerts("CipuClockSyncStatCritical") == expected,
        LIMIT_S,
    )
    assert zones.alerts("CipuClockZoneIncident") == {("a", "", "sync_stat"): "active"}
    assert {one["labels"]["alertname"] for one in zones.servers.alerts()} == {
        "CipuClockZoneIncident",
        "CipuClockSyncStatCritical",
    }
    zones.write("a1", abnormal=False)
    cleared_s = wait(
        "the end of the incident", lambda: zones.alerts("CipuClockZoneIncident") == {}, LIMIT_S
    )
    print(f"\nzone incident: fires after {fired_s:.0f} s, clears after {cleared_s:.0f} s")
