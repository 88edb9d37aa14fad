#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the
# controller.

DOCUMENTATION = r"""
module: clock_health
short_description: Whether to worry about a host's clock, and why
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Judges the facts of M(cipu.clock.clock_facts). All thresholds are here, and only here.
  - It runs on the controller and asks no host. The same facts and thresholds always give the same
    answer.
  - The checks, with what each means and what to do about it, are in C(docs/health.md).
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.facts
options:
  facts:
    description:
      - The facts to judge.
      - By default those of the current host, C(ansible_facts.cipu_clock).
    type: dict
  previous:
    description:
      - Earlier facts of the same host. With them counters are judged by how far they went.
      - They are left aside where they cannot be compared, such as after a boot or a reload of the
        driver.
    type: dict
  thresholds:
    description: What is too much. The unit ends the name.
    type: dict
    suboptions:
      facts_age_s:
        description: Facts older than this many seconds are stale, and the host is UNKNOWN.
        type: int
        default: 300
      pinned_driver_version:
        description: Version of the driver that is wanted. Not checked by default.
        type: str
      offset_warn_ns:
        description:
          - PHC against system clock, less the uncertainty of the measurement, in nanoseconds.
        type: int
        default: 10000
      offset_critical_ns:
        description:
          - The same, in nanoseconds. The device's own thresh_us is taken where it is smaller.
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
          - Seconds that maintenance or busy may stand, from the facts before to these.
        type: int
        default: 60
      read_errors_warn_pct:
        description: Failed reads since the facts before, in percent of reads.
        type: float
        default: 0.0
      read_errors_critical_pct:
        description: Failed reads since the facts before, in percent of reads. So many or more.
        type: float
        default: 1.0
      bracket_warn_pct:
        description: 99th percentile of the read bracket, in percent of the device's max_lat_ns.
        type: float
        default: 50.0
      bracket_critical_pct:
        description: The same, in percent. So much or more.
        type: float
        default: 100.0
      skew_warn_ppm:
        description: chrony's bound on its error of frequency, in parts per million.
        type: float
        default: 1.0
      update_age_intervals:
        description: Update intervals of chrony without an update.
        type: float
        default: 8.0
      update_age_min_s:
        description: Seconds without an update that are always allowed.
        type: int
        default: 30
      phc_ntp_critical_ns:
        description: PHC against NTP, in nanoseconds. So much or more.
        type: int
        default: 500000000
      clocksources:
        description: Clocksources that are good enough.
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
        description: Hosts of a zone with the same condition that make it an incident of the zone.
        type: int
        default: 3
      incident_share_pct:
        description: Share of the zone that is needed for that too, in percent.
        type: float
        default: 20.0
  fleet:
    description:
      - Facts of many hosts, by host name; null for a host that did not answer.
      - Excludes O(facts) and O(fleet_hosts).
    type: dict
  fleet_hosts:
    description:
      - Names of hosts whose stored facts make up the fleet. They are taken as they are, never
        templated.
      - A host without such facts is one that did not answer.
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
    description: The task fails at this severity and at worse ones. Worst is V(critical).
    type: str
    choices: [never, warning, unknown, critical]
    default: never
notes:
  - States, from best to worst, are OK, DEGRADED, UNKNOWN, FREERUNNING, DISRUPTED and UNSYNCED.
    Aside stands
    NOT_APPLICABLE, for a host that has no CIPU clock and is not expected to have one. The worst
    check
    decides. What cannot be seen is never OK.
seealso:
  - module: cipu.clock.clock_facts
"""

EXAMPLES = r"""
- name: Facts of the clock
  cipu.clock.clock_facts:

- name: Judge them
  cipu.clock.clock_health:
    thresholds:
      pinned_driver_version: 0.1.0
      offset_warn_ns: 20000
  register: health

- name: Stop here if it is bad
  cipu.clock.clock_health:
    fail_at: critical

- name: The fleet in one
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
  description: Worst severity found, V(ok), V(warning), V(unknown) or V(critical).
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
      description: What was found, in C(unit).
      type: raw
      sample: clock_abnormal
    limit:
      description: What would have been allowed, in C(unit).
      type: raw
    unit:
      description: Unit of value and limit, null where there is none.
      type: str
      sample: ns
    message:
      description: What was found, as a sentence.
      type: str
      sample: /dev/ptp0 says clock abnormal.
    advice:
      description: What to do about it.
      type: str
    clock:
      description: Which clock, where it is one's.
      type: str
      sample: /dev/ptp0
checks_run:
  description: Number of checks that could be made.
  returned: for one host
  type: int
  sample: 24
not_checked:
  description: Checks that could not be made, and why.
  returned: for one host
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check.
      type: str
      sample: vmclock
    message:
      description: Why not, as a sentence.
      type: str
      sample: There is no VMClock.
error_bound_ns:
  description:
    - The system clock is right within this many nanoseconds, C(phc_error_ns) of them assumed. Null
      where
      it is not known.
  returned: for one host
  type: int
  sample: 13250
fleet:
  description:
    - The fleet in one. C(hosts) has the health of each host; C(states), C(severities),
      C(driver_versions)
      and, by zone, C(zones) count hosts; C(on_phc_pct) is the share of them that follow their PHC,
      in
      percent; C(error_bound_ns) has p50, p99 and max; C(incidents) are conditions that a zone
      shares.
  returned: for a fleet
  type: dict
  contains:
    hosts:
      description: Health of each host, by name, as above.
      type: dict
    count:
      description: Number of hosts.
      type: int
    applicable:
      description: Number of hosts that have a CIPU clock or are expected to.
      type: int
    states:
      description: Number of hosts in each state.
      type: dict
    severities:
      description: Number of hosts of each severity.
      type: dict
    zones:
      description: Number of hosts in each state, by zone.
      type: dict
    driver_versions:
      description: Number of applicable hosts by version of the driver loaded.
      type: dict
    on_phc:
      description: Number of hosts whose chrony has selected the PHC.
      type: int
    on_phc_pct:
      description: The same, in percent of the applicable hosts.
      type: float
    error_bound_ns:
      description:
        - Error bound at p50, p99 and max, in nanoseconds, and the number of hosts where it is
          known.
      type: dict
    incidents:
      description: Zones in which many hosts have the same condition.
      type: list
      elements: dict
msg:
  description: The answer in one line.
  returned: always
  type: str
  sample: "DEGRADED: /dev/ptp0 says clock abnormal."
"""
