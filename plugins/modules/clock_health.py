#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the
# controller.

DOCUMENTATION = r"""
module: clock_health
short_description: Judge the clock of a host, with reasons
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Judges the facts of M(cipu.clock.clock_facts). It defines all thresholds.
  - Runs on the controller. The same facts and thresholds always give the same result.
  - Facts are validated first. A host whose facts do not conform to the schema is UNKNOWN, with the
    reason that they are malformed and the name of the field.
  - The checks, with their conditions and advice, are in C(docs/health.md).
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.facts
  - cipu.clock.attributes.actiongroup_clock
options:
  facts:
    description:
      - Facts to judge.
      - By default those of the current host, C(ansible_facts.cipu_clock).
      - Excludes O(gather), O(fleet) and O(fleet_hosts).
    type: dict
  gather:
    description:
      - Whether to gather the facts in the same task, by M(cipu.clock.clock_facts). They are judged
        and not stored; nothing else that the host returns is used.
      - A host that fails to return facts is UNKNOWN and does not fail.
      - Excludes O(facts), O(fleet) and O(fleet_hosts).
    type: bool
    default: false
  gather_options:
    description: Options of M(cipu.clock.clock_facts), for O(gather).
    type: dict
    suboptions:
      probe_path:
        description: Path to clockprobe on the managed host.
        type: path
      driver:
        description: Name of the clock's kernel module.
        type: str
      timeout_s:
        description: Number of seconds in which all programs on the host must answer.
        type: int
  options_from:
    description:
      - Variables of the host to take options from, by the name of the option. A suboption is named
        as V(gather_options.probe_path). An undefined or empty variable sets nothing, and an option
        of the task takes precedence.
      - Costs the controller less than a template for each option, which is compiled again for each
        host.
    type: dict
    version_added: 0.2.0
  previous:
    description:
      - Earlier facts of the same host. With them counters are judged by their increase.
      - They are ignored if they do not conform to the schema or are of another boot; counters are
        not compared after a reload of the driver.
    type: dict
  zone:
    description: Zone of the host, returned with its health.
    type: str
  thresholds:
    description: Alert thresholds. Each name ends with its unit.
    type: dict
    suboptions:
      facts_age_s:
        description: Facts older than this many seconds are stale, and the host is UNKNOWN.
        type: int
        default: 300
      pinned_driver_version:
        description: Required version of the driver. Not checked by default.
        type: str
      offset_warn_ns:
        description:
          - Offset between PHC and system clock, minus the uncertainty of the measurement, in
            nanoseconds.
        type: int
        default: 10000
      offset_critical_ns:
        description:
          - The same, in nanoseconds. The device's own thresh_us is used if it is smaller.
        type: int
        default: 100000
      error_bound_warn_ns:
        description: Error bound of the system clock, in nanoseconds.
        type: int
        default: 50000
      error_bound_critical_ns:
        description: Error bound of the system clock, in nanoseconds.
        type: int
        default: 1000000
      phc_error_ns:
        description:
          - Error of the PHC itself that the error bound assumes, in nanoseconds. chrony takes it
            as zero.
        type: int
        default: 1000
      sync_standing_s:
        description:
          - Seconds for which maintenance or busy may last, from the previous facts to these.
        type: int
        default: 60
      read_errors_warn_pct:
        description: Failed reads since the previous facts, in percent of reads.
        type: float
        default: 0.0
      read_errors_critical_pct:
        description: The same, in percent. Critical from this value on.
        type: float
        default: 1.0
      bracket_warn_pct:
        description: 99th percentile of the read bracket, in percent of the device's max_lat_ns.
        type: float
        default: 50.0
      bracket_critical_pct:
        description: The same, in percent. Critical from this value on.
        type: float
        default: 100.0
      reach_missed_warn_pct:
        description: Failed polls of the PHC, in percent of the last 8.
        type: float
        default: 25.0
      skew_warn_ppm:
        description: chrony's bound on its frequency error, in parts per million.
        type: float
        default: 1.0
      update_age_intervals:
        description: Number of update intervals of chrony without an update.
        type: float
        default: 8.0
      update_age_min_s:
        description: Number of seconds without an update that are always accepted.
        type: int
        default: 30
      phc_ntp_critical_ns:
        description: Difference between PHC and NTP, in nanoseconds. Critical from this value on.
        type: int
        default: 500000000
      clocksources:
        description: Accepted clocksources.
        type: list
        elements: str
        default: [tsc, kvm-clock, arch_sys_counter]
      steal_warn_pct:
        description: Steal time, in percent of CPU time.
        type: float
        default: 2.0
      steal_critical_pct:
        description: Steal time, in percent of CPU time.
        type: float
        default: 10.0
      incident_hosts:
        description: Number of hosts of a zone with the same condition that make an incident.
        type: int
        default: 3
      incident_share_pct:
        description: Minimum share of the hosts of the zone for an incident, in percent.
        type: float
        default: 20.0
  fleet:
    description:
      - Facts of many hosts, by host name; null for a host that did not answer.
      - Excludes O(facts) and O(fleet_hosts).
    type: dict
  fleet_hosts:
    description:
      - Names of hosts whose stored facts make up the fleet. The facts are never templated.
      - A host without stored facts is UNKNOWN.
      - Excludes O(facts) and O(fleet).
    type: list
    elements: str
  fleet_previous:
    description: Earlier facts of the hosts of the fleet, by host name.
    type: dict
  zones:
    description: The zone of each host of the fleet, by host name.
    type: dict
  fail_at:
    description: Fail at this severity and at worse ones. V(critical) is the worst.
    type: str
    choices: [never, warning, unknown, critical]
    default: never
notes:
  - The severity decides, the state explains it. States, from best to worst, are OK, DEGRADED,
    UNKNOWN, FREERUNNING, DISRUPTED and UNSYNCED. The worst reason decides each of the two.
  - A host that has no CIPU clock and is not expected to have one is NOT_APPLICABLE.
  - A host with an unknown value that is required is never OK.
seealso:
  - module: cipu.clock.clock_facts
"""

EXAMPLES = r"""
- name: Gather the facts of the clock
  cipu.clock.clock_facts:

- name: Judge the clock
  cipu.clock.clock_health:
    thresholds:
      pinned_driver_version: 0.1.0
      offset_warn_ns: 20000
  register: health

- name: Fail if the clock is critical
  cipu.clock.clock_health:
    fail_at: critical

- name: Summarise the fleet
  cipu.clock.clock_health:
    fleet_hosts: "{{ groups['clocks'] }}"
  run_once: true
  register: fleet
"""

RETURN = r"""
state:
  description: State of the host, or the worst of the fleet.
  returned: always
  type: str
  sample: DEGRADED
severity:
  description:
    - Worst severity found, V(ok), V(warning), V(unknown) or V(critical); V(not_applicable) for a
      host without a CIPU clock.
  returned: always
  type: str
  sample: critical
reasons:
  description: Why it is not OK, worst first.
  returned: for one host
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check, as in C(docs/health.md).
      type: str
      sample: sync_stat
    severity:
      description: V(warning), V(unknown) or V(critical).
      type: str
      sample: critical
    value:
      description: Measured or reported value, in C(unit).
      type: raw
      sample: clock_abnormal
    limit:
      description: Allowed value, in C(unit).
      type: raw
      sample: 0
    unit:
      description: Unit of value and limit, null where there is none.
      type: str
      sample: ns
    message:
      description: The finding, as a sentence.
      type: str
      sample: /dev/ptp0 reports clock abnormal.
    advice:
      description: What to do next.
      type: str
      sample: Report it to the cloud provider.
    clock:
      description: The clock, if the reason is about one.
      type: str
      sample: /dev/ptp0
checks_run:
  description: Number of checks that were made.
  returned: for one host
  type: int
  sample: 24
not_checked:
  description: Checks that could not be made, with the reason.
  returned: for one host
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check.
      type: str
      sample: vmclock
    message:
      description: The reason, as a sentence.
      type: str
      sample: There is no VMClock.
error_bound_ns:
  description:
    - Error bound of the system clock in nanoseconds, C(phc_error_ns) of them assumed. Null where it
      is not known.
  returned: for one host
  type: int
  sample: 13250
fleet:
  description:
    - Summary of the fleet, the same as in the report of M(cipu.clock.clock_audit), with C(hosts),
      the health of each host.
  returned: for a fleet
  type: dict
  contains:
    hosts:
      description: Health of each host, by name, as above.
      type: dict
      sample: {web1: {severity: ok, state: OK, reasons: []}}
    count:
      description: Number of hosts.
      type: int
      sample: 3
    applicable:
      description: Number of hosts that have a CIPU clock or are expected to.
      type: int
      sample: 3
    states:
      description: Number of hosts in each state.
      type: dict
      sample: {OK: 2, DEGRADED: 1}
    severities:
      description: Number of hosts of each severity.
      type: dict
      sample: {ok: 2, warning: 0, unknown: 0, critical: 1, not_applicable: 0}
    zones:
      description: Number of hosts of each severity, by zone.
      type: dict
      sample: {cn-hangzhou-b: {ok: 2, warning: 0, unknown: 0, critical: 1, not_applicable: 0}}
    driver_versions:
      description: Number of applicable hosts by version of the driver loaded.
      type: dict
      sample: {'0.1.0': 3}
    on_phc:
      description: Number of hosts whose chrony has selected the PHC.
      type: int
      sample: 2
    on_phc_pct:
      description: The same, in percent of the applicable hosts.
      type: float
      sample: 66.7
    error_bound_ns:
      description:
        - Error bound at p50, p99 and max, in nanoseconds, and the number of hosts where it is
          known.
      type: dict
      sample: {known: 3, p50: 8012, p99: 13250, max: 13250}
    incidents:
      description: Zones in which many hosts have the same condition.
      type: list
      elements: dict
      sample: []
zone:
  description: Zone of the host, null where none was given.
  returned: for one host
  type: str
  sample: cn-hangzhou-b
taken_at_s:
  description: When the facts were gathered, in seconds since 1970 by the host's own clock.
  returned: for one host
  type: int
  sample: 1766000100
kernel:
  description: Release of the running kernel.
  returned: for one host
  type: str
  sample: 6.1.0-40-amd64
driver_version:
  description: Version of the loaded driver.
  returned: for one host
  type: str
  sample: 0.1.0
clock:
  description:
    - The CIPU clock of the lowest PCI address, with C(state), C(node), C(pci_address),
      C(offset_ns) and C(uncertainty_ns), and the standing C(conditions) of all CIPU clocks.
  returned: for one host
  type: dict
  sample: {state: ok, node: /dev/ptp0, conditions: [], offset_ns: -1250, uncertainty_ns: 51200}
chrony_source:
  description: Name of the source that chrony has selected.
  returned: for one host
  type: str
  sample: CIPU
msg:
  description: Severity, state and reasons in one line.
  returned: always
  type: str
  sample: "CRITICAL (DEGRADED): /dev/ptp0 reports clock abnormal."
"""
