# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an audit, from what the play's hosts told and how they were judged."""

DOCUMENTATION = r"""
name: audit_report
short_description: The report of an audit of clocks
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Puts what M(cipu.clock.clock_facts) read of each host, and how M(cipu.clock.clock_health) judged
    it, into one report for people and programs. The playbook C(cipu.clock.audit) writes it as JSON.
positional: taken_at_s
options:
  _input:
    description:
      - Variables of each host. Of them C(inventory_hostname), C(lab_image) and the registered
        C(cipu_audit_facts) and C(cipu_audit_health) are read. A host without them is UNKNOWN.
    type: list
    elements: dict
    required: true
  taken_at_s:
    description: When the audit was made, in seconds since 1970.
    type: int
    required: true
"""

EXAMPLES = r"""
report: >-
  {{ ansible_play_hosts_all | map('extract', hostvars)
     | cipu.clock.audit_report(now(utc=true).timestamp() | int) }}
"""

RETURN = r"""
_value:
  description: The report. A value that could not be seen is null.
  type: dict
"""

SCHEMA = 1
UNREACHABLE = {
    "check": "host",
    "severity": "critical",
    "message": "the host did not answer",
    "advice": "see whether it is up and can be logged in to",
}


def cipu_clock(facts):
    """The CIPU clock that chrony is to take: that of the lowest PCI address."""
    clocks = [clock for clock in facts.get("clocks", []) if clock.get("kind") == "cipu"]
    return min(clocks, key=lambda clock: clock.get("pci_address") or "~", default=None)


def clock_state(facts, clock):
    """One word for the clock itself."""
    if clock is None:
        return "none" if facts else "unknown"
    sync = (clock.get("cipu") or {}).get("sync") or {}
    standing = sorted(name for name, stands in sync.items() if stands)
    if standing:
        return ",".join(standing)
    return (clock.get("measurement") or {}).get("status") or "unknown"


def verdict(health, reachable):
    reasons = [dict(reason) for reason in health.get("reasons") or []]
    if not reachable:
        return {"state": "UNKNOWN", "severity": "unknown", "reasons": [dict(UNREACHABLE)]}
    return {
        "state": health.get("state", "UNKNOWN"),
        "severity": health.get("severity", "unknown"),
        "reasons": reasons,
    }


def row(host):
    result = host.get("cipu_audit_facts") or {}
    facts = (result.get("ansible_facts") or {}).get("cipu_clock") or {}
    health = host.get("cipu_audit_health") or {}
    clock = cipu_clock(facts)
    measured = (clock or {}).get("measurement") or {}
    driver = facts.get("driver") or {}
    return {
        "host": str(host.get("inventory_hostname")),
        "image": host.get("lab_image"),
        "kernel": (facts.get("kernel") or {}).get("running"),
        "driver_version": driver.get("loaded_version"),
        "clock": {
            "state": clock_state(facts, clock),
            "offset_ns": measured.get("offset_ns"),
            "uncertainty_ns": measured.get("uncertainty_ns"),
        },
        "error_bound_ns": health.get("error_bound_ns"),
        "chrony_source": (facts.get("chrony") or {}).get("selected"),
        "health": verdict(health, bool(facts)),
    }


def count(values):
    counts = {}
    for value in values:
        key = "none" if value is None else str(value)
        counts[key] = counts.get(key, 0) + 1
    return counts


def percentile(values, share):
    """The smallest of the values that at least this share of them does not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def fleet(rows):
    bounds = [item["error_bound_ns"] for item in rows if item["error_bound_ns"] is not None]
    on_clock = [item for item in rows if item["chrony_source"] == "CIPU"]
    with_clock = [item for item in rows if item["health"]["state"] != "NOT_APPLICABLE"]
    return {
        "hosts": len(rows),
        "states": count(item["health"]["state"] for item in rows),
        "driver_versions": count(item["driver_version"] for item in rows),
        "error_bound_ns": {
            "p50": percentile(bounds, 50),
            "p99": percentile(bounds, 99),
            "max": max(bounds) if bounds else None,
        },
        "on_clock_pct": round(100.0 * len(on_clock) / len(with_clock), 1) if with_clock else None,
    }


def audit_report(hosts, taken_at_s):
    rows = [row(host) for host in hosts]
    return {
        "schema": SCHEMA,
        "taken_at_s": int(taken_at_s),
        "hosts": rows,
        "fleet": fleet(rows),
    }


class FilterModule:
    def filters(self):
        return {"audit_report": audit_report}
