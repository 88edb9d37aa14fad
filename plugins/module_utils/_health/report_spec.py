# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of an audit's report; docs/schema/report-v1.json is generated from it."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    HOST_SEVERITIES,
    HOST_STATES,
    SEVERITIES,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.facts_spec import (
    OFFSET_NS,
    SPAN_NS,
    SYNC,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import (
    Items,
    Map,
    Nullable,
    Real,
    Record,
    Scalar,
    Text,
    Whole,
)

SCHEMA = 1
HOSTS_MOST = 1000000
NAME = Text(256)
TEXT = Text(320)
COUNT = Whole(0, HOSTS_MOST)
PERCENT = Real(0, 100)
BOUND_NS = Nullable(SPAN_NS)
QUANTILES = Record(
    {"known": COUNT, "p50": BOUND_NS, "p99": BOUND_NS, "max": BOUND_NS},
    ("known", "p50", "p99", "max"),
)
BY_SEVERITY = Record(dict.fromkeys(HOST_SEVERITIES, COUNT), HOST_SEVERITIES)


def _all(fields, note=None):
    """A record in which every field is always present; what is not known is null."""
    return Record(fields, tuple(fields), note)


REASON = Record(
    {
        "check": Text(64, note="name of the check, as in docs/health.md"),
        "severity": Text(choices=SEVERITIES[1:]),
        "message": TEXT,
        "advice": TEXT,
        "value": Scalar(note="what was found, in `unit`"),
        "limit": Scalar(note="what is allowed, in `unit`"),
        "unit": Nullable(Text(64)),
        "clock": Text(256, note="the clock, where the reason is about one"),
    },
    ("check", "severity", "message", "advice", "value", "limit", "unit"),
)
HEALTH = _all(
    {
        "severity": Text(choices=HOST_SEVERITIES),
        "state": Text(choices=HOST_STATES),
        "reasons": Items(REASON, 500, note="worst first"),
        "checks_run": COUNT,
        "not_checked": Items(_all({"check": Text(64), "message": TEXT}), 64),
    }
)
HOST = _all(
    {
        "host": Text(256, note="name in the inventory"),
        "zone": Nullable(Text(256, note="cipu_audit_zone of the host")),
        "taken_at_s": Nullable(Whole(0, 2**33, note="s since 1970, by the host's own clock")),
        "kernel": Nullable(Text(128, note="release of the running kernel")),
        "driver_version": Nullable(Text(64, note="version of the loaded driver")),
        "clock": _all(
            {
                "state": Text(
                    160, note="none, unknown, the standing conditions, or the measurement's status"
                ),
                "node": Nullable(NAME),
                "pci_address": Nullable(Text(64)),
                "conditions": Items(Text(choices=SYNC), len(SYNC)),
                "offset_ns": Nullable(OFFSET_NS),
                "uncertainty_ns": BOUND_NS,
            },
            "the CIPU clock of the lowest PCI address; offset: PHC minus system clock",
        ),
        "chrony_source": Nullable(Text(64, note="name of the source that chrony has selected")),
        "error_bound_ns": Nullable(Whole(0, 2**80, note="error bound of the system clock")),
        "health": HEALTH,
    }
)
FLEET = _all(
    {
        "count": COUNT,
        "applicable": Whole(0, HOSTS_MOST, note="hosts that have or expect a CIPU clock"),
        "severity": Text(choices=HOST_SEVERITIES, note="the worst of all hosts"),
        "state": Text(choices=HOST_STATES, note="the worst of all hosts"),
        "severities": BY_SEVERITY,
        "states": Map(
            COUNT, len(HOST_STATES), note="hosts by state; states without hosts left out"
        ),
        "zones": Map(BY_SEVERITY, HOSTS_MOST, 256, note="hosts by severity, by zone"),
        "driver_versions": Map(COUNT, HOSTS_MOST, 64, note="applicable hosts; `none`: not loaded"),
        "kernels": Map(COUNT, HOSTS_MOST, 128, note="all hosts; `unknown`: not reported"),
        "checks": Map(
            _all(dict.fromkeys(SEVERITIES[1:], COUNT)), 64, note="hosts by check and severity"
        ),
        "on_phc": Whole(0, HOSTS_MOST, note="applicable hosts that have selected the PHC"),
        "on_phc_pct": Nullable(PERCENT),
        "offset_ns": QUANTILES,
        "error_bound_ns": QUANTILES,
        "incidents": Items(
            _all(
                {
                    "zone": NAME,
                    "condition": Text(choices=SYNC),
                    "hosts": Items(NAME, HOSTS_MOST),
                    "share_pct": PERCENT,
                    "message": TEXT,
                }
            ),
            HOSTS_MOST,
            note="conditions that many hosts of a zone share",
        ),
    }
)
REPORT = _all(
    {
        "schema": Whole(SCHEMA, SCHEMA),
        "taken_at_s": Whole(0, 2**33, note="s since 1970, by the controller's clock"),
        "collection_version": Text(32),
        "fleet": FLEET,
        "hosts": Items(HOST, HOSTS_MOST, note="in the order of the inventory"),
    }
)
