# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that a rollout must report and leave unchanged, and must not fail for."""

import pytest

OPTIONS = {"cipu_driver_install_packages": False}


@pytest.fixture
def mixed(fleet):
    """A batch that begins with one host of each kind that must not be changed."""
    fleet.add("a-kvm-guest", clock=False)
    alpine = fleet.add("b-alpine")
    alpine.write("/etc/os-release", 'ID=alpine\nVERSION_ID="3.20"\n')
    alpine_without = fleet.add("c-alpine-without", clock=False)
    alpine_without.write("/etc/os-release", 'ID=alpine\nVERSION_ID="3.20"\n')
    no_python = fleet.add("d-no-python")
    no_python.hide("/usr/bin/python3")
    no_python.variables["ansible_python_interpreter"] = "/usr/bin/python3"
    container = fleet.add("e-container")
    # As in a container that shares the PID namespace of its host.
    container.write("/run/.containerenv", "")
    no_shell = fleet.add("f-appliance")
    no_shell.hide("/usr/bin/dash")
    (fleet.add("g-unreachable").root / "unreachable").touch()
    for name in ("h-clock", "i-clock"):
        fleet.add(name)
    return fleet


def test_other_hosts_are_reported_and_unchanged_and_fail_no_batch(mixed):
    skipped = [host for name, host in mixed.hosts.items() if "clock" not in name]
    before = {host.name: host.files() for host in skipped}
    done = mixed.play("rollout", cipu_rollout_batches="100%", **OPTIONS)
    for reason in (
        "a-kvm-guest is not changed: it has no CIPU function (PCI 1ded:500c)",
        "b-alpine is not changed: its system, alpine, is not supported",
        "c-alpine-without is not changed: it has no CIPU function (PCI 1ded:500c)",
        "d-no-python is not changed: it has no Python",
        "e-container is not changed: it is a container, which sees the functions of its host",
    ):
        assert reason in done.text
    assert {host.name: host.files() for host in skipped} == before
    for name in ("h-clock", "i-clock"):
        host = mixed.hosts[name]
        # P1: clockprobe is installed although the first host of the inventory has no function.
        assert host.path("/usr/local/bin/clockprobe").read_text() == "clockprobe, first source\n"
        assert host.state()["selected"] == "CIPU"
        assert done.recap[name]["failed"] == 0
    assert done.recap["g-unreachable"]["unreachable"] == 1
    # A host without a shell fails with its own message, and fails no batch.
    failed = [name for name, counts in done.recap.items() if counts["failed"]]
    assert failed == ["f-appliance"]
    assert done.rc != 0


def test_a_host_without_the_clock_costs_one_connection(mixed):
    mixed.play("rollout", "--limit", "a-kvm-guest", **OPTIONS)
    connections = (mixed.hosts["a-kvm-guest"].root / "connections").read_text()
    assert connections.count("\n") == 1


def test_a_host_with_nothing_to_do_costs_one_task_and_two_connections(finished_fleet):
    """Each task costs the controller about as much as a ping."""
    finished_fleet.add("b", clock=False)
    connections = finished_fleet.hosts["a"].root / "connections"
    done = finished_fleet.play("rollout", **OPTIONS)
    assert done.rc == 0, done.text
    assert "1 of 2 hosts are set up, healthy and not changed." in done.text
    assert "Could not match supplied host pattern" not in done.text
    assert connections.read_text().count("\n") == 2
    # The other tasks run once, on the first host.
    assert done.recap["b"]["ok"] == 1


def test_batches_contain_only_hosts_that_are_changed(finished_fleet):
    """A canary that has nothing to do would prove nothing."""
    for name in ("b", "c"):
        finished_fleet.add(name).fails(clock_facts="no facts here")
    done = finished_fleet.play("rollout", **OPTIONS)
    assert done.rc == 2
    assert "1 of 1 hosts failed" in done.line
    assert (finished_fleet.hosts["c"].root / "connections").read_text().count("\n") == 1


def test_the_canary_is_the_first_host_with_the_clock_and_counts_when_it_fails_at_once(fleet):
    fleet.add("a-without", clock=False)
    for name in ("b", "c"):
        fleet.add(name)
    fleet.hosts["b"].fails(clock_facts="no facts here")
    done = fleet.play("rollout", **OPTIONS)
    assert done.rc == 2
    assert "no facts here. Nothing was changed." in done.line
    # The shell command of the first step is all that the next batch saw.
    assert (fleet.hosts["c"].root / "connections").read_text().count("\n") == 1


@pytest.mark.parametrize("role", ["driver", "probe"])
def test_the_role_alone_reports_a_host_of_an_unsupported_system_without_the_clock(fleet, role):
    host = fleet.add("alpine", clock=False)
    host.write("/etc/os-release", 'ID=alpine\nNAME="Alpine Linux"\nVERSION_ID="3.20"\n')
    before = host.files()
    done = fleet.role(role)
    assert done.rc == 0, done.text
    assert "NOT_APPLICABLE" in done.text
    assert host.files() == before


@pytest.mark.parametrize("role", ["driver", "probe"])
def test_the_role_alone_refuses_an_unsupported_system_with_the_clock_in_one_sentence(fleet, role):
    host = fleet.add("alpine")
    host.write("/etc/os-release", 'ID=alpine\nNAME="Alpine Linux"\nVERSION_ID="3.20"\n')
    before = host.files()
    done = fleet.role(role)
    assert done.rc == 2
    assert f"The role cipu.clock.{role} supports the families Debian and RedHat, not" in done.line
    assert host.files() == before
