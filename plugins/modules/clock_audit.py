#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the
# controller.

DOCUMENTATION = r"""
module: clock_audit
short_description: Report the clock health of many hosts
version_added: 0.2.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Makes one report of the results that M(cipu.clock.clock_health) registered for many hosts.
  - Prints a table, worst host first, and writes the report as JSON on the controller.
  - Runs on the controller, without a connection and without become. Use it with C(run_once).
  - Rows carry the inventory's host names, whatever the hosts returned. A host without a result is
    UNKNOWN.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.facts
  - cipu.clock.attributes.actiongroup_clock
options:
  result:
    description: Name of the variable under which the results were registered.
    type: str
    required: true
  hosts:
    description: Names of the hosts. By default all hosts of the play, unreachable ones included.
    type: list
    elements: str
  zone_variable:
    description: Name of the variable that has the zone of a host which returned no result.
    type: str
    default: cipu_audit_zone
  thresholds:
    description:
      - Alert thresholds, as in M(cipu.clock.clock_health). Those of incidents are used here.
    type: dict
  report_path:
    description:
      - Path of the report on the controller. A relative path starts at the folder in which
        ansible-playbook was started.
      - The file is replaced in one step. Anything but a regular file is refused.
      - By default no report is written.
    type: path
  html_path:
    description:
      - Path of the fleet report as a self-contained HTML page on the controller.
      - The page shows what changed since the report that this audit replaces at O(report_path).
      - By default no page is written.
    type: path
  history_path:
    description:
      - Path of an SQLite file on the controller to which this audit is added. The page then draws
        offset and severity over time.
      - A corrupt file, one of another program or one of a newer collection is reported and not
        changed.
    type: path
  history_days:
    description: Age in days at which audits are removed from O(history_path).
    type: float
    default: 90.0
  show:
    description: Whether to print the table.
    type: bool
    default: true
  fail_on:
    description:
      - Fail if a host is at least this bad. UNKNOWN counts as V(critical).
    type: str
    choices: [never, critical, warning]
    default: never
notes:
  - The schema of the report is in C(docs/schema/report-v1.json), with an example beside it.
seealso:
  - module: cipu.clock.clock_health
"""

EXAMPLES = r"""
- name: Read and judge the clock
  cipu.clock.clock_health:
    gather: true
  register: clock_result
  ignore_errors: true
  ignore_unreachable: true

- name: Print the table and write the report
  cipu.clock.clock_audit:
    result: clock_result
    report_path: clocks.json
    fail_on: critical
  run_once: true
"""

RETURN = r"""
fleet:
  description: The summary of the report, as in C(docs/schema/report-v1.json).
  returned: always
  type: dict
  sample: {count: 3, applicable: 3, severity: ok, state: OK, on_phc: 3, on_phc_pct: 100.0}
html_path:
  description: Path of the written page.
  returned: if a page was written
  type: str
  sample: /home/ops/cipu-clock-audit.html
history_path:
  description: Path of the history to which the audit was added.
  returned: if the audit was added to a history
  type: str
  sample: /home/ops/cipu-clock.sqlite
report_path:
  description: Path of the written report.
  returned: if a report was written
  type: str
  sample: /home/ops/cipu-clock-audit.json
"""
