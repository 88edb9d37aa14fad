# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's report and table, from hosts that are well, ill, silent and hostile."""

import json

from ansible_collections.cipu.clock.plugins.filter.audit_report import audit_report, percentile
from ansible_collections.cipu.clock.plugins.filter.audit_table import audit_table


def host(name, sync=False, source="CIPU", state="OK", **health):
    severity, bound_ns = health.get("severity", "ok"), health.get("bound_ns", 6000)
    facts = {
        "kernel": {"running": "6.1.0-1-amd64"},
        "driver": {"loaded_version": "0.1.0"},
        "chrony": {"selected": source},
        "clocks": [
            {"kind": "kvm", "measurement": {"status": "ok", "offset_ns": 1}},
            {"kind": "cipu", "pci_address": "0000:00:11.0", "measurement": {"offset_ns": 9}},
            {
                "kind": "cipu",
                "pci_address": "0000:00:10.0",
                "measurement": {"status": "ok", "offset_ns": -1200, "uncertainty_ns": 300},
                "cipu": {"sync": {"clock_abnormal": sync, "busy": False}},
            },
        ],
    }
    reasons = [] if severity == "ok" else [{"check": "sync_stat", "message": "it is ill"}]
    return {
        "inventory_hostname": name,
        "lab_image": "debian12",
        "cipu_audit_facts": {"ansible_facts": {"cipu_clock": facts}},
        "cipu_audit_health": {
            "state": state,
            "severity": severity,
            "reasons": reasons,
            "error_bound_ns": bound_ns,
        },
    }


def test_a_host_that_is_well():
    report = audit_report([host("a")], 1766000000)
    assert report["schema"] == 1
    assert report["hosts"] == [
        {
            "host": "a",
            "image": "debian12",
            "kernel": "6.1.0-1-amd64",
            "driver_version": "0.1.0",
            "clock": {"state": "ok", "offset_ns": -1200, "uncertainty_ns": 300},
            "error_bound_ns": 6000,
            "chrony_source": "CIPU",
            "health": {"state": "OK", "severity": "ok", "reasons": []},
        }
    ]
    assert report["fleet"]["on_clock_pct"] == 100.0


def test_a_host_that_did_not_answer_is_unknown():
    silent = {"inventory_hostname": "b", "cipu_audit_facts": {"unreachable": True}}
    report = audit_report([silent, {"inventory_hostname": "c"}], 1)
    assert [entry["health"]["state"] for entry in report["hosts"]] == ["UNKNOWN", "UNKNOWN"]
    assert report["hosts"][0]["clock"]["state"] == "unknown"
    assert "did not answer" in report["hosts"][0]["health"]["reasons"][0]["message"]


def test_an_ill_clock_is_named():
    report = audit_report([host("a", sync=True, state="DEGRADED", severity="critical")], 1)
    assert report["hosts"][0]["clock"]["state"] == "clock_abnormal"
    assert "    sync_stat: it is ill" in audit_table(report)


def test_the_fleet_is_counted():
    hosts = [host(str(number), bound_ns=number) for number in range(1, 101)]
    hosts.append(host("x", source=None, state="UNSYNCED", severity="critical", bound_ns=None))
    told = audit_report(hosts, 1)["fleet"]
    assert told["states"] == {"OK": 100, "UNSYNCED": 1}
    assert told["error_bound_ns"] == {"p50": 50, "p99": 99, "max": 100}
    assert told["on_clock_pct"] == 99.0


def test_percentile():
    assert percentile([], 50) is None
    assert percentile([7], 99) == 7
    assert percentile([1, 2, 3, 4], 50) == 2


def test_the_table_is_free_of_control_characters_and_bounded():
    hostile = host("a", source="\x1b[31m" + "x" * 1000)
    lines = audit_table(audit_report([hostile], 1))
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    assert "1 hosts: 1 OK" in lines


def test_the_report_is_json():
    report = audit_report([host("a"), {"inventory_hostname": "b"}], 1)
    assert json.loads(json.dumps(report)) == report
