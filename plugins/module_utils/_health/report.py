# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an audit, from the rows of its hosts. Pure."""

import json

from ansible_collections.cipu.clock.plugins.module_utils._health.fleet import summarise
from ansible_collections.cipu.clock.plugins.module_utils._health.report_spec import REPORT, SCHEMA


def build(rows, taken_at_s, version, thresholds=None):
    return {
        "schema": SCHEMA,
        "taken_at_s": int(taken_at_s),
        "collection_version": version,
        "fleet": summarise(rows, thresholds),
        "hosts": rows,
    }


def to_json(report):
    """The report as valid JSON text that conforms to the schema, or an error."""
    return json.dumps(REPORT.admit(report), allow_nan=False, ensure_ascii=False, indent=2) + "\n"
