# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of clock_health and clock_audit, as their documentation lists them."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import SEVERITIES
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import THRESHOLDS

NEVER = "never"

ARGUMENT_SPEC = {
    "facts": {"type": "dict"},
    "gather": {"type": "bool", "default": False},
    "gather_options": {
        "type": "dict",
        "options": {
            "probe_path": {"type": "path"},
            "driver": {"type": "str"},
            "timeout_s": {"type": "int"},
        },
    },
    "options_from": {"type": "dict"},
    "previous": {"type": "dict"},
    "thresholds": {"type": "dict", "options": THRESHOLDS},
    "zone": {"type": "str"},
    "fleet": {"type": "dict"},
    "fleet_hosts": {"type": "list", "elements": "str"},
    "fleet_previous": {"type": "dict"},
    "zones": {"type": "dict"},
    "fail_at": {
        "type": "str",
        "choices": [NEVER] + list(SEVERITIES[1:]),
        "default": NEVER,
    },
}

MUTUALLY_EXCLUSIVE = [("facts", "gather", "fleet", "fleet_hosts")]

AUDIT_ARGUMENT_SPEC = {
    "result": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str"},
    "zone_variable": {"type": "str", "default": "cipu_audit_zone"},
    "thresholds": {"type": "dict", "options": THRESHOLDS},
    "report_path": {"type": "path"},
    "html_path": {"type": "path"},
    "history_path": {"type": "path"},
    "history_days": {"type": "float", "default": 90.0},
    "show": {"type": "bool", "default": True},
    "fail_on": {"type": "str", "choices": [NEVER, "critical", "warning"], "default": NEVER},
}
