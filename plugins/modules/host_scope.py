#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the
# controller.

DOCUMENTATION = r"""
module: host_scope
short_description: Determine whether a playbook of this collection changes a host
version_added: 0.2.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Runs a shell command on the host, which needs neither Python nor facts and changes nothing, and
    adds a host that the playbook changes to a group.
  - With O(unchanged_when) a host on which the last rollout finished, with the same inputs, is read
    and judged in the same task. It is not added to the group if it is healthy and all conditions
    hold.
  - The playbooks C(cipu.clock.rollout) and C(cipu.clock.remove) use it as the
    only task for a host that they do not change.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.facts
  - cipu.clock.attributes.actiongroup_clock
options:
  playbook:
    description:
      - V(rollout) changes hosts that have a CIPU function, V(remove) hosts with traces of the
        collection.
      - Neither changes a container, a host of an unsupported system or a host without Python.
    type: str
    choices: [rollout, remove]
    required: true
  group:
    description: Name of the group to which a host is added that the playbook changes.
    type: str
    required: true
  probe_path:
    description: Path to clockprobe on the host.
    type: path
    default: /usr/local/bin/clockprobe
  interpreter:
    description: Python of the host, as C(ansible_python_interpreter) sets it.
    type: str
    default: auto
  collection:
    description:
      - Checksum of the files that a rollout installs. It is an input of the rollout, together with
        the variables of the host whose names begin with C(cipu_driver_), C(cipu_probe_) or
        C(cipu_chrony_).
      - Without it no host counts as unchanged.
    type: str
    default: ""
  thresholds:
    description: Thresholds of M(cipu.clock.clock_health), with its suboptions.
    type: dict
  unchanged_when:
    description:
      - Conditions, as in C(when), that hold on a host which a rollout would not change. They may
        use C(ansible_facts.cipu_clock), which is read first and not stored, and the variables of
        O(roles).
    type: list
    elements: str
    default: []
  roles:
    description:
      - Roles whose variables O(unchanged_when) uses. The playbook has read the defaults of each to
        a variable C(cipu_run_defaults_ROLE) and its other variables to C(cipu_run_vars_ROLE).
    type: list
    elements: str
    default: []
  options_from:
    description: Variables of the host to take options from, as in M(cipu.clock.clock_health).
    type: dict
seealso:
  - module: cipu.clock.clock_facts
  - module: cipu.clock.clock_health
"""

EXAMPLES = r"""
- name: Determine the hosts that a rollout may change
  cipu.clock.host_scope:
    playbook: rollout
    group: hosts_with_the_clock
  changed_when: false
  register: scope
"""

RETURN = r"""
reason:
  description: Why the playbook does not change the host; empty if it may.
  returned: success
  type: str
  sample: it has no CIPU function (PCI 1ded:500c)
inputs:
  description:
    - Checksum over everything that decides what a rollout writes. Empty if it cannot be determined.
  returned: success
  type: str
  sample: f4f1b9f9f4e9c0bd5d9f4d1f5b1c9aa0a3a6f65f7c1f61e3a8f8df9d9d1b5c11
health:
  description: Its health in one line, if the host has nothing to do; empty if it has.
  returned: with O(unchanged_when), for a host on which the last rollout finished
  type: str
  sample: OK
"""
