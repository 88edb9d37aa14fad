# SPDX-License-Identifier: GPL-3.0-or-later
"""All thresholds of clock_health. Each name ends with its unit."""

THRESHOLDS = {
    "facts_age_s": {"type": "int", "default": 300},
    "pinned_driver_version": {"type": "str"},
    "offset_warn_ns": {"type": "int", "default": 10000},
    "offset_critical_ns": {"type": "int", "default": 100000},
    "error_bound_warn_ns": {"type": "int", "default": 50000},
    "error_bound_critical_ns": {"type": "int", "default": 1000000},
    "phc_error_ns": {"type": "int", "default": 1000},
    "sync_standing_s": {"type": "int", "default": 60},
    "read_errors_warn_pct": {"type": "float", "default": 0.0},
    "read_errors_critical_pct": {"type": "float", "default": 1.0},
    "bracket_warn_pct": {"type": "float", "default": 50.0},
    "bracket_critical_pct": {"type": "float", "default": 100.0},
    "reach_missed_warn_pct": {"type": "float", "default": 25.0},
    "skew_warn_ppm": {"type": "float", "default": 1.0},
    "update_age_intervals": {"type": "float", "default": 8.0},
    "update_age_min_s": {"type": "int", "default": 30},
    "phc_ntp_critical_ns": {"type": "int", "default": 500000000},
    "clocksources": {
        "type": "list",
        "elements": "str",
        "default": ["tsc", "kvm-clock", "arch_sys_counter"],
    },
    "steal_warn_pct": {"type": "float", "default": 2.0},
    "steal_critical_pct": {"type": "float", "default": 10.0},
    "incident_hosts": {"type": "int", "default": 3},
    "incident_share_pct": {"type": "float", "default": 20.0},
}


def complete(given=None):
    """The given thresholds, with the defaults for the others."""
    chosen = {name: spec.get("default") for name, spec in THRESHOLDS.items()}
    for name, value in (given or {}).items():
        if name in chosen and value is not None:
            chosen[name] = value
    return chosen
