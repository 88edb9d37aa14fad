# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of three hosts: healthy, critical and with malformed facts. See test_audit_report.py."""

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
    return build(rows, NOW_S, "0.1.0")
