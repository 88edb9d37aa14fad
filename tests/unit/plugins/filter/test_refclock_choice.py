# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clock is chosen, by what a host has and what was asked for."""

import pytest

pytest.importorskip("ansible.errors", reason="a filter runs on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.cipu.clock.plugins.filter.refclock_choice import (
    CHOICES,
    refclock_choice,
)

ORDER = [kind for kind, _name, _refclock in CHOICES]


def host(*kinds, functions=False):
    clocks = [
        {"kind": kind, "node": f"/dev/ptp{index}", "links": [f"/dev/ptp_{kind}"]}
        for index, kind in enumerate(kinds)
    ]
    return {
        "functions": [{"pci_address": "0000:00:10.0"}] if functions else [],
        "clocks": clocks,
    }


@pytest.mark.parametrize("best", range(1, len(ORDER)))
def test_the_best_of_those_that_are_there(best):
    chosen = refclock_choice(host(*reversed(ORDER[best:])))
    assert chosen["kind"] == ORDER[best]
    assert chosen["refclocks"][0]["device"] == f"/dev/ptp_{ORDER[best]}"
    assert chosen["why"].endswith("this host has it and not " + passed_over(best) + ".")


def passed_over(best):
    return " nor ".join(name for _kind, name, _refclock in CHOICES[:best])


def test_a_function_is_enough_for_the_cipu_clock():
    chosen = refclock_choice(host("kvm", functions=True))
    assert chosen["kind"] == "cipu"
    assert chosen["refclocks"][0]["device"] == "/dev/ptp_cipu"
    assert chosen["why"] == "The CIPU clock, because this host has its PCI function."


def test_a_host_with_a_network_card_alone_stays_on_ntp():
    chosen = refclock_choice(host("nic", "unknown"))
    assert (chosen["kind"], chosen["refclocks"], chosen["possible"]) == ("ntp", [], True)
    assert "no PTP clock of its platform" in chosen["why"]


@pytest.mark.parametrize("kind", ORDER[1:])
def test_forced(kind):
    chosen = refclock_choice(host(*ORDER, functions=True), kind)
    assert chosen["kind"] == kind
    assert "asked for" in chosen["why"]


@pytest.mark.parametrize("kind", ORDER)
def test_forced_and_not_there(kind):
    chosen = refclock_choice(host(), kind)
    assert not chosen["possible"]
    assert chosen["refclocks"] == []
    assert chosen["why"].endswith("was asked for, and this host has none that can be read.")


def test_forced_off():
    assert refclock_choice(host(functions=True), "ntp")["refclocks"] == []


def test_a_clock_that_cannot_be_read_is_passed_over():
    facts = host("kvm", "ena")
    facts["clocks"][0]["measurement"] = {"status": "failed"}
    assert refclock_choice(facts)["kind"] == "ena"


def test_without_a_link_the_node():
    facts = host("kvm")
    facts["clocks"][0]["links"] = []
    assert refclock_choice(facts)["refclocks"][0]["device"] == "/dev/ptp0"


def test_the_chosen_is_a_copy():
    refclock_choice(host(functions=True))["refclocks"][0]["poll"] = 9
    assert refclock_choice(host(functions=True))["refclocks"][0]["poll"] == 0


@pytest.mark.parametrize(("facts", "wanted"), [({}, "auto"), (None, "auto"), (host(), "gps")])
def test_refused(facts, wanted):
    with pytest.raises(AnsibleFilterError):
        refclock_choice(facts, wanted)
