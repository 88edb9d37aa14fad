#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: fleet_report
short_description: Write the report of a fleet's clocks as HTML, JSON and CSV
version_added: 0.2.0
description:
  - Reads the JSON reports that the playbook C(cipu.clock.audit) writes, merges them, and writes one
    self-contained HTML page, a JSON file for programs and a CSV file for spreadsheets.
  - The page makes no network request. It has counts by severity, distributions, a table that sorts
    and filters, the most important findings, and the changes since the previous report.
  - Runs on the controller and connects to no host.
  - With O(history) the page shows how offset and severity developed over time.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  reports:
    description:
      - Paths to the reports of one audit on the controller. Several reports, such as those of the
        slices of a job, are merged. If a host is in several, the newest result counts.
    type: list
    elements: path
    required: true
  previous:
    description: Paths to the reports of the audit to compare with.
    type: list
    elements: path
    default: []
  history:
    description:
      - Path to an SQLite file on the controller that keeps the results of audits.
      - A corrupt file, one of another program or one of a newer collection is reported and not
        changed.
    type: path
  record:
    description: Whether to add this audit to O(history).
    type: bool
    default: false
  keep_days:
    description: Age in days at which audits are removed from O(history) when one is added.
    type: float
    default: 90.0
  html:
    description: Path to the HTML page to write.
    type: path
  json:
    description: Path to the merged report to write as JSON.
    type: path
  csv:
    description: Path to the CSV file to write.
    type: path
requirements:
  - pygal on the controller, for charts. Without it the page has tables instead and a note.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    support: full
    details: Reads and merges the reports, and writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: The same reports give the same files. With O(record=true) each run adds an audit.
seealso:
  - module: cipu.clock.clock_health
"""

EXAMPLES = r"""
- name: Write the page of the last audit
  cipu.clock.fleet_report:
    reports: [cipu-clock-audit.json]
    html: cipu-clock-audit.html

- name: Merge the slices of a job and compare them with yesterday's audit
  cipu.clock.fleet_report:
    reports: [slice-1.json, slice-2.json]
    previous: [yesterday.json]
    html: report.html
    json: report.json
    csv: report.csv
"""

RETURN = r"""
hosts:
  description: Number of hosts in the report.
  returned: success
  type: int
  sample: 3
severities:
  description: Number of hosts by severity.
  returned: success
  type: dict
  sample: {critical: 1, unknown: 0, warning: 0, ok: 2}
charts:
  description: Whether pygal is installed, so that the page has charts.
  returned: success
  type: bool
  sample: true
written:
  description: Paths of the files that were written, by kind.
  returned: success
  type: dict
  sample: {html: /srv/reports/report.html}
pruned:
  description: Number of audits that were removed from the history.
  returned: success
  type: int
  sample: 0
"""
