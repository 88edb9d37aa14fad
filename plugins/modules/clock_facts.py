#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: clock_facts
short_description: Gather facts of a host's clocks and time synchronization
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Returns one fact, C(cipu_clock), with the measurement of every PTP clock, the state of chrony
    and of other time daemons, clocksource, steal time, driver, DKMS, kernels and Secure Boot.
  - Does not judge the facts. M(cipu.clock.clock_health) does.
  - Does not fail because something is missing. Without clockprobe, chrony, DKMS or root it returns
    what it can determine, and lists under C(missing) what it cannot.
  - The controller validates the facts against their schema and fails if a host returns anything
    else. Nothing but C(cipu_clock) becomes a variable.
  - Only clockprobe reads the clocks. The role C(cipu.clock.probe) installs it.
  - If C(facts_modules) has several modules, set C(ansible_facts_parallel=false). Otherwise they run
    at the same time, which makes the measurement less certain.
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
  driver:
    description: Name of the clock's kernel module.
    type: str
    default: ptp_cipu
  timeout_s:
    description:
      - Number of seconds in which all programs on the host must answer. A program that does not is
        killed and listed under C(missing).
    type: int
    default: 20
seealso:
  - module: cipu.clock.clock_health
"""

EXAMPLES = r"""
- name: Gather the facts of the clock
  cipu.clock.clock_facts:

- name: Print the offset of each clock in nanoseconds
  ansible.builtin.debug:
    msg: "{{ item.name }} {{ item.measurement.offset_ns | default('not measured') }}"
  loop: "{{ ansible_facts.cipu_clock.clocks }}"
  loop_control:
    label: "{{ item.node }}"

- name: Gather the facts of the clock together with the usual facts
  hosts: clocks
  gather_facts: true
  vars:
    ansible_facts_modules: [ansible.builtin.setup, cipu.clock.clock_facts]
    ansible_facts_parallel: false
"""

RETURN = r"""
ansible_facts:
  description: Facts of the host.
  returned: always
  type: dict
  contains:
    cipu_clock:
      description:
        - The facts of the clock. A key whose value is not known is left out.
        - All fields, with their ranges, are in C(docs/facts.md) and C(docs/schema/facts-v1.json).
      type: dict
      contains:
        schema:
          description: Number of the schema, 1.
          type: int
          sample: 1
        taken_at_s:
          description: Time of the run, in seconds since 1970 by the host's own clock.
          type: int
          sample: 1766000000
        boot_id:
          description: The kernel's random id of this boot.
          type: str
          sample: 6b8f1c9e-0d53-4a4e-9b1a-2f7f3f1f4c55
        probe:
          description: Result of clockprobe. C(status) is V(ok), V(missing) or V(failed).
          type: dict
          sample: {status: ok, path: /usr/local/bin/clockprobe, version: 0.1.0}
        functions:
          description: CIPU functions on the PCI bus, with the driver bound to each, if any.
          type: list
          elements: dict
          sample: [{pci_address: "0000:00:10.0", driver: ptp_cipu}]
        clocks:
          description:
            - PTP clocks as measured by clockprobe, CIPU clocks in full, others in short.
            - C(instance) is a number that changes when the clock is registered again.
          type: list
          elements: dict
          sample: [{node: /dev/ptp0, index: 0, kind: cipu, pci_address: "0000:00:10.0"}]
        vmclock:
          description: The VMClock page, if the hypervisor provides one.
          type: dict
          sample: {node: /dev/vmclock0, status: ok, counter_id: x86_tsc, disruption_marker: 0}
        chrony:
          description:
            - C(status) is V(ok), V(absent), V(stopped), V(restarting) or V(denied).
            - C(tracking) and C(sources) are as printed by chronyc, in seconds, ppm and counts.
            - C(refclocks) are directives of the configuration as chronyd reads it.
            - C(error_bound_s) is correction, root dispersion and half the root delay, without the
              error of the clock itself.
          type: dict
          sample: {status: ok, version: '4.3', selected: CIPU, error_bound_s: 0.000008}
        time_daemons:
          description: Active time daemons.
          type: list
          elements: str
          sample: [chronyd]
        clocksource:
          description: The kernel's current clocksource.
          type: str
          sample: tsc
        steal:
          description:
            - C(stolen_ticks) of C(total_ticks) since boot, and the share during the measurement in
              percent, C(during_probe_pct).
          type: dict
          sample: {stolen_ticks: 12, total_ticks: 90112, during_probe_pct: 0.0}
        driver:
          description:
            - The module loaded and the module installed for the running kernel, with version and
              srcversion of each, and its DKMS builds. C(load_id) changes with each load.
          type: dict
          sample: {name: ptp_cipu, loaded: true, loaded_version: 0.1.0, dkms: []}
        kernel:
          description:
            - The running kernel, the one that boots next, and for each bootable kernel whether it
              has the driver and the headers to build it.
          type: dict
          sample: {running: 6.1.0-40-amd64, next: 6.1.0-40-amd64, reboot_pending: false}
        secure_boot:
          description: Secure Boot, lockdown and enforcement of module signatures.
          type: dict
          sample: {enabled: false, lockdown: none, signature_enforced: false}
        missing:
          description: What could not be determined, one sentence each.
          type: list
          elements: str
          sample: [The kernel that boots next cannot be determined.]
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils._host.facts import Collector


def main():
    module = AnsibleModule(
        argument_spec={
            "probe_path": {"type": "path", "default": "/usr/local/bin/clockprobe"},
            "driver": {"type": "str", "default": "ptp_cipu"},
            "timeout_s": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z", params["driver"]):
        module.fail_json(
            msg="driver is {0!r}, which is not the name of a kernel module.".format(
                params["driver"]
            )
        )
    if not 1 <= params["timeout_s"] <= 600:
        module.fail_json(
            msg="timeout_s is {0}; it must be between 1 and 600 seconds.".format(
                params["timeout_s"]
            )
        )
    collector = Collector(params["probe_path"], params["driver"], params["timeout_s"])
    module.exit_json(changed=False, ansible_facts={"cipu_clock": collector.facts()})


if __name__ == "__main__":
    main()
