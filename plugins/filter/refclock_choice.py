# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's clocks chronyd uses, and why."""

DOCUMENTATION = r"""
name: refclock_choice
short_description: Choose the PHC refclock of a host
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Takes the facts of a host and returns the refclock for chronyd.
  - By default this is the CIPU clock, and a host without a CIPU function gets no refclock. Other
    clocks are used only on request.
  - A host with a CIPU function gets the CIPU clock even if its driver is not installed yet, since a
    rollout installs it.
  - A clock whose measurement failed is not used.
  - The device is always a link that udev maintains, never a number such as C(/dev/ptp0).
options:
  _input:
    description: The facts C(cipu_clock) of M(cipu.clock.clock_facts).
    type: dict
    required: true
  wanted:
    description:
      - Kind of the clock. V(auto) takes the first one that the host has of CIPU, VMClock, KVM,
        Hyper-V and ENA. V(ntp) takes none.
    type: str
    choices: [cipu, vmclock, kvm, hyperv, ena, auto, ntp]
    default: cipu
"""

EXAMPLES = r"""
choice: "{{ ansible_facts.cipu_clock | cipu.clock.refclock_choice }}"
forced: "{{ ansible_facts.cipu_clock | cipu.clock.refclock_choice('kvm') }}"
"""

RETURN = r"""
_value:
  description:
    - C(kind) of the clock, V(ntp) for none; C(refclocks), a list of none or one; C(why), a
      sentence; C(possible), false if the host does not have the requested clock.
  type: dict
"""

from ansible.errors import AnsibleFilterError

# In the order of V(auto). The udev rules of the roles driver and chrony make the links. The options
# are those that each clock's vendor documents, with prefer. chronyc shows the refid.
CHOICES = (
    (
        "cipu",
        "the CIPU clock",
        {
            "device": "/dev/ptp_cipu",
            "refid": "CIPU",
            "poll": 0,
            "dpoll": -1,
            "delay": 0.00001,
            "prefer": True,
        },
    ),
    (
        "vmclock",
        "VMClock's PTP clock",
        {"device": "/dev/ptp_vmclock", "refid": "VMCL", "poll": 0, "dpoll": -1, "prefer": True},
    ),
    (
        "kvm",
        "KVM's PTP clock",
        {"device": "/dev/ptp_kvm", "refid": "KVM", "poll": -1, "prefer": True},
    ),
    (
        "hyperv",
        "Hyper-V's PTP clock",
        {
            "device": "/dev/ptp_hyperv",
            "refid": "HYPV",
            "poll": 3,
            "dpoll": -2,
            "stratum": 2,
            "prefer": True,
        },
    ),
    (
        "ena",
        "ENA's PTP clock",
        {"device": "/dev/ptp_ena", "refid": "ENA", "poll": 0, "delay": 0.00001, "prefer": True},
    ),
)
NAMES = {kind: name for kind, name, _refclock in CHOICES}
WANTED = (*NAMES, "auto", "ntp")


def readable(clock):
    return (clock.get("measurement") or {}).get("status") != "failed"


def present(facts, kind):
    """Whether the host has a clock of this kind."""
    if kind == "cipu":
        return bool(facts.get("functions"))
    return any(c.get("kind") == kind and readable(c) for c in facts.get("clocks") or [])


def refclock_choice(facts, wanted="cipu"):
    if not isinstance(facts, dict) or "functions" not in facts:
        raise AnsibleFilterError("refclock_choice needs the facts cipu_clock of clock_facts.")
    if wanted not in WANTED:
        raise AnsibleFilterError(
            "{0} is not a kind of clock. Use one of {1}.".format(wanted, ", ".join(WANTED))
        )
    if wanted == "ntp":
        return choice("ntp", [], "NTP only, as requested.")
    absent = []
    for kind, name, refclock in CHOICES:
        if wanted not in ("auto", kind):
            continue
        if present(facts, kind):
            return choice(kind, [dict(refclock)], reason(wanted, kind, name, absent))
        absent.append(name)
    if wanted == "cipu":
        return choice(
            "ntp", [], "This host has no CIPU function, so its time settings are not changed."
        )
    if wanted == "auto":
        return choice(
            "ntp", [], "This host has no usable PTP clock, so its time settings are not changed."
        )
    why = "{0} was requested, but this host has none that can be read."
    name = NAMES[wanted]
    return choice(wanted, [], why.format(name[0].upper() + name[1:]), possible=False)


def reason(wanted, kind, name, absent):
    subject = name[0].upper() + name[1:]
    if kind == "cipu":
        return "{0}, because this host has a CIPU function.".format(subject)
    if wanted == kind:
        return "{0}, as requested.".format(subject)
    return "{0}, because this host does not have {1}.".format(subject, " or ".join(absent))


def choice(kind, refclocks, why, possible=True):
    return {"kind": kind, "refclocks": refclocks, "why": why, "possible": possible}


class FilterModule:
    def filters(self):
        return {"refclock_choice": refclock_choice}
