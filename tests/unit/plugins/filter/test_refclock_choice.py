# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock that is chosen for the clocks of a host and the requested kind."""

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
def test_auto_takes_the_first_available_clock(best):
    chosen = refclock_choice(host(*reversed(ORDER[best:])), "auto")
    assert chosen["kind"] == ORDER[best]
    assert chosen["refclocks"][0]["device"] == f"/dev/ptp_{ORDER[best]}"
    assert chosen["why"].endswith("this host does not have " + absent(best) + ".")


def absent(best):
    return " or ".join(name for _kind, name, _refclock in CHOICES[:best])


@pytest.mark.parametrize("wanted", ["cipu", "auto"])
def test_a_function_is_enough_for_the_cipu_clock(wanted):
    chosen = refclock_choice(host("kvm", functions=True), wanted)
    assert chosen["kind"] == "cipu"
    assert chosen["refclocks"][0]["device"] == "/dev/ptp_cipu"
    assert chosen["why"] == "The CIPU clock, because this host has a CIPU function."


@pytest.mark.parametrize("clocks", [ORDER[1:], ["nic", "unknown"], []])
def test_by_default_a_host_without_the_function_is_not_changed(clocks):
    chosen = refclock_choice(host(*clocks))
    assert (chosen["kind"], chosen["refclocks"], chosen["possible"]) == ("ntp", [], True)
    assert "no CIPU function, so its time settings are not changed" in chosen["why"]


def test_a_host_with_a_network_card_alone_stays_on_ntp():
    chosen = refclock_choice(host("nic", "unknown"), "auto")
    assert (chosen["kind"], chosen["refclocks"], chosen["possible"]) == ("ntp", [], True)
    assert "no usable PTP clock" in chosen["why"]


@pytest.mark.parametrize("kind", ORDER[1:])
def test_a_requested_clock(kind):
    chosen = refclock_choice(host(*ORDER, functions=True), kind)
    assert chosen["kind"] == kind
    assert "as requested" in chosen["why"]


@pytest.mark.parametrize("kind", ORDER[1:])
def test_a_requested_clock_that_is_missing(kind):
    chosen = refclock_choice(host(), kind)
    assert not chosen["possible"]
    assert chosen["refclocks"] == []
    assert chosen["why"].endswith("was requested, but this host has none that can be read.")


def test_ntp_only():
    assert refclock_choice(host(functions=True), "ntp")["refclocks"] == []


def test_a_clock_that_cannot_be_read_is_not_used():
    facts = host("kvm", "ena")
    facts["clocks"][0]["measurement"] = {"status": "failed"}
    assert refclock_choice(facts, "auto")["kind"] == "ena"


@pytest.mark.parametrize("kind", ORDER)
def test_the_device_is_never_a_number(kind):
    facts = host(*ORDER, functions=True)
    for clock in facts["clocks"]:
        clock["links"] = []
    assert refclock_choice(facts, kind)["refclocks"][0]["device"] == f"/dev/ptp_{kind}"


def test_the_chosen_refclock_is_a_copy():
    refclock_choice(host(functions=True))["refclocks"][0]["poll"] = 9
    assert refclock_choice(host(functions=True))["refclocks"][0]["poll"] == 0


@pytest.mark.parametrize(("facts", "wanted"), [({}, "auto"), (None, "auto"), (host(), "gps")])
def test_invalid_arguments_are_refused(facts, wanted):
    with pytest.raises(AnsibleFilterError):
        refclock_choice(facts, wanted)
