# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's clocks chronyd is to take, and why."""

DOCUMENTATION = r"""
name: refclock_choice
short_description: The best clock that a host has for chronyd, and why it is that one
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Takes the facts of a host and returns the refclock that chronyd is to have. The order is the
    CIPU clock, VMClock's PTP clock, KVM's, Hyper-V's, ENA's; without any of them NTP alone is left.
  - A host with a CIPU function gets the CIPU clock even where its driver is not there yet, since a
    rollout brings it.
  - A clock that was measured and could not be read is passed over.
options:
  _input:
    description: The facts C(cipu_clock) of M(cipu.clock.clock_facts).
    type: dict
    required: true
  wanted:
    description:
      - V(auto) takes the best one. Another value forces the clock of that kind, and V(ntp) none.
    type: str
    choices: [auto, cipu, vmclock, kvm, hyperv, ena, ntp]
    default: auto
"""

EXAMPLES = r"""
choice: "{{ ansible_facts.cipu_clock | cipu.clock.refclock_choice }}"
forced: "{{ ansible_facts.cipu_clock | cipu.clock.refclock_choice('kvm') }}"
"""

RETURN = r"""
_value:
  description:
    - C(kind) of the clock, V(ntp) for none; C(refclocks), a list of none or one; C(why), a
      sentence; C(possible), false where the clock that was asked for is not there.
  type: dict
"""

from ansible.errors import AnsibleFilterError

# Best first. The parameters are those that each clock's vendor gives, with prefer; refid is what
# chronyc shows.
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
    ("vmclock", "VMClock's PTP clock", {"refid": "VMCL", "poll": 0, "dpoll": -1, "prefer": True}),
    ("kvm", "KVM's PTP clock", {"refid": "KVM", "poll": -1, "prefer": True}),
    (
        "hyperv",
        "Hyper-V's PTP clock",
        {"refid": "HYPV", "poll": 3, "dpoll": -2, "stratum": 2, "prefer": True},
    ),
    ("ena", "ENA's PTP clock", {"refid": "ENA", "poll": 0, "delay": 0.00001, "prefer": True}),
)
NAMES = {kind: name for kind, name, _refclock in CHOICES}
WANTED = ("auto", *NAMES, "ntp")


def readable(clock):
    return (clock.get("measurement") or {}).get("status") != "failed"


def device(clock):
    """A link that does not change its number where there is one, the node otherwise."""
    return min(clock.get("links") or [clock.get("node")])


def found(facts, kind):
    """The refclock options that this host adds for a kind of clock, None where it has none."""
    if kind == "cipu":
        return {} if facts.get("functions") else None
    for clock in facts.get("clocks") or []:
        if clock.get("kind") == kind and clock.get("node") and readable(clock):
            return {"device": device(clock)}
    return None


def refclock_choice(facts, wanted="auto"):
    if not isinstance(facts, dict) or "functions" not in facts:
        raise AnsibleFilterError("refclock_choice wants the facts cipu_clock of clock_facts")
    if wanted not in WANTED:
        raise AnsibleFilterError(
            "There is no clock {0} to choose; there are {1}.".format(wanted, ", ".join(WANTED))
        )
    if wanted == "ntp":
        return choice("ntp", [], "NTP alone, because that was asked for.")
    passed_over = []
    for kind, name, refclock in CHOICES:
        if wanted not in ("auto", kind):
            continue
        extra = found(facts, kind)
        if extra is None:
            passed_over.append(name)
            continue
        why = "{0}, because {1}.".format(
            name[0].upper() + name[1:],
            "that was asked for" if wanted == kind else reason(kind, passed_over),
        )
        return choice(kind, [dict(refclock, **extra)], why)
    if wanted != "auto":
        why = "{0} was asked for, and this host has none that can be read.".format(NAMES[wanted])
        return choice(wanted, [], why[0].upper() + why[1:], possible=False)
    return choice("ntp", [], "NTP alone, because this host has no PTP clock of its platform.")


def reason(kind, passed_over):
    if kind == "cipu":
        return "this host has its PCI function"
    return "this host has it and not " + " nor ".join(passed_over)


def choice(kind, refclocks, why, possible=True):
    return {"kind": kind, "refclocks": refclocks, "why": why, "possible": possible}


class FilterModule:
    def filters(self):
        return {"refclock_choice": refclock_choice}
