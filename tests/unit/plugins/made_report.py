# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of simulated reports, and a report of a healthy, a critical and a malformed host."""

from ansible_collections.cipu.clock.plugins.module_utils._health.report import build
from ansible_collections.cipu.clock.plugins.module_utils._health.row import row

from .made import NOW_S, change, facts


def sample():
    abnormal = facts()
    change(abnormal, "clocks.0.cipu.sync.clock_abnormal", True)
    change(abnormal, "chrony.sources.0.reach", 146)
    hosts = {"web1": facts(), "web2": abnormal, "db1": dict(facts(), clocks="abc")}
    zones = {"web1": "cn-hangzhou-b", "web2": "cn-hangzhou-h"}
    rows = [row(name, hosts[name], now_s=NOW_S, zone=zones.get(name)) for name in hosts]
    return build(rows, NOW_S, "0.2.0")


def host(name="db1", severity="ok", **more):
    """A row of a report, as docs/schema/report-v1.json describes it."""
    reasons = []
    if severity != "ok":
        reasons = [
            {
                "check": "steal",
                "severity": severity,
                "message": "steal is 30 %",
                "advice": "Move it.",
                "value": 30,
                "limit": 10,
                "unit": "percent",
            }
        ]
    row = {
        "host": name,
        "zone": "z1",
        "taken_at_s": 1_764_000_000,
        "kernel": "6.1.0",
        "driver_version": "0.2.0",
        "clock": {
            "state": "ok",
            "node": "/dev/ptp0",
            "pci_address": "0000:00:10.0",
            "conditions": [],
            "offset_ns": -312,
            "uncertainty_ns": 900,
        },
        "error_bound_ns": 8100,
        "chrony_source": "CIPU",
        "health": {
            "state": "OK" if severity == "ok" else "DEGRADED",
            "severity": severity,
            "reasons": reasons,
            "checks_run": 23,
            "not_checked": [],
        },
    }
    row.update(more)
    return row
