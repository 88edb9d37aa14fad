# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a report's table, for a playbook that prints them itself."""

from ansible_collections.cipu.clock.plugins.module_utils._health import table

DOCUMENTATION = r"""
name: audit_table
short_description: Lines of the table of an audit report
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Returns the lines of an aligned table, worst host first, with the reasons below each host.
  - Lists at most 20 hosts. The last line counts all hosts by severity.
  - Control characters that hosts returned are shown as text.
positional: width
options:
  _input:
    description: A report as M(cipu.clock.clock_audit) writes it.
    type: dict
    required: true
  width:
    description: Number of columns of the longest line, at least 40.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Print the table of a report
  ansible.builtin.debug:
    msg: "{{ report | cipu.clock.audit_table(100) }}"
  vars:
    report: "{{ lookup('ansible.builtin.file', 'cipu-clock-audit.json') | from_json }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


def audit_table(report, width=table.WIDTH_DEFAULT):
    return [line for line, _severity in table.lines(report, width)]


class FilterModule:
    def filters(self):
        return {"audit_table": audit_table}
