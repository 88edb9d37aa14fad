#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until a host passes its health check
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Runs M(cipu.clock.clock_facts) on the host and M(cipu.clock.clock_health) on the controller, in
    one task, until the host is neither critical nor unknown or until O(timeout_s) has passed.
  - Each host waits independently of the others. The wait is measured with a monotonic clock, since
    chronyd may step the system clock while the task waits.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.facts
  - cipu.clock.attributes.actiongroup_clock
options:
  probe_path:
    description:
      - Path to clockprobe on the managed host.
      - If the default path does not exist, C(/usr/bin/clockprobe) of the distribution package.
    type: path
    default: /usr/local/bin/clockprobe
  thresholds:
    description: Thresholds of M(cipu.clock.clock_health).
    type: dict
    default: {}
  timeout_s:
    description: Number of seconds to wait for a healthy state. With V(0) the host is judged once.
    type: int
    default: 0
  delay_s:
    description: Number of seconds between two health checks.
    type: int
    default: 10
  required:
    description: Whether to fail if the host is still critical or unknown at the end.
    type: bool
    default: false
seealso:
  - module: cipu.clock.clock_facts
  - module: cipu.clock.clock_health
"""

EXAMPLES = r"""
- name: Wait until the host is healthy
  cipu.clock.health_gate:
    timeout_s: 60
    required: true
"""

RETURN = r"""
ansible_facts:
  description: The facts of the last check, as M(cipu.clock.clock_facts) returns them.
  returned: always
  type: dict
  sample: {cipu_clock: {schema: 1, taken_at_s: 1766000000}}
state:
  description: State of the host, as M(cipu.clock.clock_health) names it.
  returned: always
  type: str
  sample: OK
severity:
  description: Severity of that state.
  returned: always
  type: str
  sample: ok
reasons:
  description: Result of the last health check, in one line.
  returned: always
  type: list
  elements: dict
  sample: []
checks:
  description: Number of health checks that were made.
  returned: always
  type: int
  sample: 1
"""
