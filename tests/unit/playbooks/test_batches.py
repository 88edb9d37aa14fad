# SPDX-License-Identifier: GPL-3.0-or-later
"""Effects of a failed batch on its hosts and on the rollout."""

import pytest

OPTIONS = {"cipu_driver_install_packages": False}
CLEAN = {"dkms": {}, "loaded": None, "selected": "", "params": {}}


@pytest.fixture
def two(fleet):
    for name in ("a", "b"):
        fleet.add(name)
    fleet.hosts["b"].fails(chrony="chronyd does not start")
    return fleet


@pytest.mark.parametrize(("revert", "reverted"), [("failed", "b"), ("batch", "ab"), ("none", "")])
def test_what_a_failed_batch_reverts_is_a_choice(two, revert, reverted):
    # Also if the operator sets another strategy, since the playbook requires its own.
    two.environment["ANSIBLE_STRATEGY"] = "free"
    done = two.play("rollout", cipu_rollout_batches=3, cipu_rollout_revert=revert, **OPTIONS)
    assert done.rc == 2
    for name, host in two.hosts.items():
        record = host.path("/var/lib/cipu-clock/before.json")
        if name in reverted:
            assert host.state() == CLEAN, name
            assert not host.path("/usr/local/bin/clockprobe").exists()
            assert not record.exists()
        else:
            assert host.state()["loaded"] == "0.2.0", name
            # The former state stays recorded if the new one was not accepted.
            assert record.exists() == (name == "b")
    assert "chronyd does not start" in done.line
    assert "1 of 2 hosts failed" in done.line


def test_a_share_of_failed_hosts_is_tolerated(two):
    two.hosts["b"].fails(clock_facts="no facts here")
    two.add("c").fails(clock_facts="no facts here either")
    options = {"cipu_rollout_batches": [2, 1], "cipu_rollout_max_fail_percentage": 50}
    done = two.play("rollout", **options, **OPTIONS)
    assert done.rc == 2
    # The second batch was started.
    assert "no facts here either. Nothing was changed." in done.line
    assert "1 of 1 hosts failed" in done.line


def test_a_host_that_becomes_unreachable_stops_the_rollout_and_reverts_no_healthy_host(fleet):
    for name in ("a", "b", "c"):
        fleet.add(name)
    (fleet.hosts["b"].root / "dies_after").write_text("dkms installed")
    done = fleet.play(
        "rollout", cipu_rollout_batches=[2, 1], cipu_rollout_revert="batch", **OPTIONS
    )
    assert done.recap["b"]["unreachable"] == 1
    assert fleet.hosts["a"].state()["selected"] == "CIPU"
    assert not fleet.hosts["c"].log()
    assert "1 became unreachable (b)" in done.line
