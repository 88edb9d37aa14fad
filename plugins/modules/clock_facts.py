#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: clock_facts
short_description: What clocks a host has, and what its time depends on
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Returns one fact, C(cipu_clock), with the measurement of every PTP clock, the state of chrony
    and of
    other time daemons, clocksource, steal time, driver, DKMS, kernels and Secure Boot.
  - It judges nothing. M(cipu.clock.clock_health) does, from these facts.
  - It never fails because a thing is absent. Without clockprobe, chrony, DKMS or root it returns
    what it
    can see, and says under C(missing) what it cannot.
  - The clocks are read by clockprobe alone. It is the role C(cipu.clock.probe) that installs it.
  - Within C(facts_modules) set C(ansible_facts_parallel=false), since with more than one module in
    the
    list they otherwise run at the same time, which widens the measurement.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.facts
options:
  probe_path:
    description: Path of clockprobe on the managed host.
    type: path
    default: /usr/local/bin/clockprobe
  driver:
    description: Name of the clock's kernel module.
    type: str
    default: ptp_cipu
  timeout_s:
    description:
      - Time that all programs asked together may take, in seconds. What did not answer by then is
        ended and told under C(missing).
    type: int
    default: 20
seealso:
  - module: cipu.clock.clock_health
"""

EXAMPLES = r"""
- name: Facts of the clock
  cipu.clock.clock_facts:

- name: Offset of each clock, in nanoseconds
  ansible.builtin.debug:
    msg: "{{ item.name }} {{ item.measurement.offset_ns | default('not measured') }}"
  loop: "{{ ansible_facts.cipu_clock.clocks }}"
  loop_control:
    label: "{{ item.node }}"

- name: As a facts module, with the usual facts
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
        - The facts of the clock. A key whose value could not be seen is left out.
        - The whole of it, with ranges, is in C(docs/facts.md) and C(docs/schema/facts-v1.json).
      type: dict
      contains:
        schema:
          description: Number of the schema, 1.
          type: int
          sample: 1
        taken_at_s:
          description: When, in seconds since 1970 by the host's own clock.
          type: int
          sample: 1766000000
        boot_id:
          description: The kernel's random name of this boot.
          type: str
        probe:
          description: What became of clockprobe. C(status) is V(ok), V(missing) or V(failed).
          type: dict
          sample: {status: ok, path: /usr/local/bin/clockprobe, version: 0.1.0}
        functions:
          description: CIPU functions on the PCI bus, with the driver bound to each, if any.
          type: list
          elements: dict
          sample: [{pci_address: "0000:00:10.0", driver: ptp_cipu}]
        clocks:
          description:
            - PTP clocks as clockprobe tells them, CIPU clocks in full, others in short.
            - C(instance) is a number that changes when the clock is registered anew.
          type: list
          elements: dict
        vmclock:
          description: The VMClock page, where the hypervisor gives one.
          type: dict
        chrony:
          description:
            - C(status) is V(ok), V(absent), V(stopped) or V(denied). C(tracking) and C(sources) are
              what chronyc tells, in seconds, ppm and counts. C(refclocks) are the directives of the
              configuration as chronyd sees it. C(error_bound_s) is correction, root dispersion and
              half the root delay, without the clock's own error.
          type: dict
        time_daemons:
          description: Active daemons that steer the system clock.
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
              srcversion of each, and what DKMS knows of it. C(load_id) changes with each load.
          type: dict
        kernel:
          description:
            - The running kernel, the one booted next, and for each that can be booted whether it
              has
              the driver and the headers to build it.
          type: dict
        secure_boot:
          description: Secure Boot, lockdown and enforcement of module signatures.
          type: dict
          sample: {enabled: false, lockdown: none, signature_enforced: false}
        missing:
          description: What could not be seen, a sentence each.
          type: list
          elements: str
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
    if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_-]*$", params["driver"]):
        module.fail_json(msg="driver is not the name of a kernel module.")
    if not 1 <= params["timeout_s"] <= 600:
        module.fail_json(msg="timeout_s is not between 1 and 600 seconds.")
    collector = Collector(params["probe_path"], params["driver"], params["timeout_s"])
    module.exit_json(changed=False, ansible_facts={"cipu_clock": collector.facts()})


if __name__ == "__main__":
    main()
