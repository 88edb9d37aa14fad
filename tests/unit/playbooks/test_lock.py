# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers never change a host at the same time, and no lock outlives its run for ever."""

import json
import os
import signal

import pytest
from fleet.waiting import until

OPTIONS = {"cipu_driver_install_packages": False, "cipu_rollout_health_timeout_s": 0}
LOCK = "/run/cipu-clock.lock"
LIMIT_S = 1000
STEP = "dkms installed"
ADVICE = (
    "Wait until it ends and run this again. If it no longer runs, set cipu_{}_lock_limit_s to 0"
)


@pytest.fixture
def host(fleet):
    return fleet.add("a")


@pytest.fixture
def paused(fleet, host):
    """A rollout that is building the driver, and the file that lets it continue."""
    gate = host.pauses("dkms")
    run, output = fleet.start("rollout", **OPTIONS)

    def builds():
        assert run.poll() is None, output.read_text()
        return any(line.startswith(STEP) for line in host.log())

    until(builds, LIMIT_S, "the rollout builds the driver")
    yield run, gate
    gate.touch()
    run.kill()
    run.wait()


def connections(host):
    return len((host.root / "connections").read_text().splitlines())


def killed(run, gate, host):
    """Kill a controller. What it started on the host continues to its end."""
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    gate.touch()
    until(lambda: bool(host.state()["dkms"]), LIMIT_S, "the host has the driver")
    assert host.path(LOCK).exists()


def other_controller(host):
    """The lock of a run of which this controller cannot know whether it has ended."""
    lock = json.loads(host.path(LOCK).read_text())
    lock.update(id="another-boot/4026531836 4711 1", controller="ctl2", user="bob", pid="4711")
    host.write(LOCK, json.dumps(lock))


def test_a_second_rollout_and_a_removal_are_refused(fleet, host, paused):
    first, gate = paused
    log, lock = host.log(), json.loads(host.path(LOCK).read_text())
    holder = f"of {lock['user']} on {lock['controller']}, process {first.pid}, has locked this host"
    for arguments in ([], ["--check"]):
        second = fleet.play("rollout", *arguments, **OPTIONS)
        assert second.rc == 2
        assert f"Lock the host: The playbook rollout {holder} since {lock['since']}" in second.line
        assert ADVICE.format("rollout") in second.line
        assert "Nothing was changed." in second.line
    removal = fleet.play("remove")
    assert removal.rc == 2
    assert holder in removal.line
    assert ADVICE.format("remove") in removal.line
    assert host.log() == log
    gate.touch()
    assert first.wait(LIMIT_S) == 0
    assert not host.path(LOCK).exists()


def test_a_second_rollout_waits_if_asked(fleet, host, paused):
    first, gate = paused
    before = connections(host)
    second, output = fleet.start("rollout", cipu_rollout_lock_wait_s=900, **OPTIONS)
    try:
        # The probe, the refused attempt, and the one that waits.
        until(lambda: connections(host) >= before + 3, LIMIT_S, "the second rollout waits")
        assert "TASK [Lock the host]" in output.read_text()
        assert second.poll() is None
        gate.touch()
        assert first.wait(LIMIT_S) == 0
        assert second.wait(LIMIT_S) == 0, output.read_text()
    finally:
        second.kill()
        second.wait()
    assert not host.path(LOCK).exists()


def test_the_lock_of_a_killed_controller_does_not_block_its_next_run(fleet, host, paused):
    first, gate = paused
    killed(first, gate, host)
    done = fleet.play("rollout", **OPTIONS)
    assert done.rc == 0, done.text
    assert not host.path(LOCK).exists()


def test_the_lock_of_another_controller_is_replaced_only_after_its_limit(fleet, host, paused):
    first, gate = paused
    killed(first, gate, host)
    other_controller(host)
    done = fleet.play("rollout", **OPTIONS)
    assert done.rc == 2
    assert "The playbook rollout of bob on ctl2, process 4711, has locked this host" in done.line
    assert host.path(LOCK).exists()
    done = fleet.play("rollout", cipu_rollout_lock_limit_s="0", **OPTIONS)
    assert done.rc == 0, done.text
    assert not host.path(LOCK).exists()


@pytest.mark.parametrize("revert", ["failed", "none"])
def test_a_failed_rollout_releases_the_lock(fleet, host, revert):
    host.fails(kernel_module="the device does not answer")
    done = fleet.play("rollout", cipu_rollout_revert=revert, **OPTIONS)
    assert done.rc == 2
    assert "the device does not answer" in done.line
    assert not host.path(LOCK).exists()


def test_a_partial_rollout_releases_the_lock(fleet, host):
    done = fleet.play("rollout", "--tags", "install", **OPTIONS)
    assert done.rc == 0, done.text
    assert any(line.startswith(STEP) for line in host.log())
    assert not host.path(LOCK).exists()


def test_a_host_with_nothing_to_do_needs_no_lock(finished_fleet):
    host = finished_fleet.hosts["a"]
    host.write(LOCK, json.dumps({"id": "x 1 1", "boot_id": "", "taken_s": 0}))
    before = host.path(LOCK).read_bytes()
    done = finished_fleet.play("rollout", cipu_driver_install_packages=False)
    assert done.rc == 0, done.text
    assert "Lock the host" not in done.text
    assert host.path(LOCK).read_bytes() == before
