# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of clock_health, as its documentation tells them."""

from ansible_collections.cipu.clock.plugins.module_utils._health.findings import SEVERITIES
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import THRESHOLDS

NEVER = "never"

ARGUMENT_SPEC = {
    "facts": {"type": "dict"},
    "previous": {"type": "dict"},
    "thresholds": {"type": "dict", "options": THRESHOLDS},
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

MUTUALLY_EXCLUSIVE = [("facts", "fleet", "fleet_hosts")]
