# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollback means the state before the first attempt, and no moment without a driver."""

import json
import re

import pytest

TIMESYNCD = """#!/bin/sh
cat <<EOF
Id=systemd-timesyncd.service
Names=systemd-timesyncd.service
LoadState={load}
ActiveState={active}
UnitFileState=enabled
EOF
"""
OPTIONS = {"cipu_driver_install_packages": False, "cipu_rollout_health_timeout_s": 0}


@pytest.fixture
def upgraded(finished_fleet):
    """A host with driver 0.2.0 and the source of a driver 0.2.1 on the controller."""
    conf = finished_fleet.collection / "driver/dkms.conf"
    conf.write_text(re.sub("0[.]2[.]0", "0.2.1", conf.read_text()))
    return finished_fleet, finished_fleet.hosts["a"]


def test_an_interrupted_upgrade_rolls_back_to_the_first_state(upgraded):
    fleet, host = upgraded
    files = {name: data for name, data in host.files().items() if not name.startswith("simulated")}
    # P15: the controller dies after the driver was changed. Only the record is left.
    (host.root / "dies_after").write_text("kernel_module")
    cut = fleet.play("rollout", cipu_driver_version="0.2.1", **OPTIONS)
    assert cut.rc != 0
    (host.root / "dies_after").unlink()
    (host.root / "unreachable").unlink()
    assert host.state()["loaded"] == "0.2.1"
    record = json.loads(host.path("/var/lib/cipu-clock/before.json").read_text())
    assert record["driver"]["installed"] == {"6.1.0-40-amd64": "0.2.0"}

    host.write("/simulated/abnormal", "")
    done = fleet.play("rollout", cipu_driver_version="0.2.1", **OPTIONS)
    assert done.rc == 2
    assert "The host was returned to its former state." in done.line
    # The former driver is installed and loaded before the new one is removed.
    steps = [line.split(" {")[0] for line in host.log()]
    order = ["dkms installed 0.2.0", "kernel_module loaded", "chrony restored", "dkms absent 0.2.1"]
    assert steps[-4:] == order
    assert host.state()["loaded"] == "0.2.0"
    assert host.state()["dkms"] == {"6.1.0-40-amd64": "0.2.0"}
    assert not host.path("/var/lib/cipu-clock/before.json").exists()
    after = {name: data for name, data in host.files().items() if not name.startswith("simulated")}
    changed = {name for name in set(files) | set(after) if files.get(name) != after.get(name)}
    assert {name for name in changed if not name.startswith("usr/src/ptp_cipu-0.2.1/")} == set()


def test_a_failed_rollback_keeps_the_record_and_says_what_to_do(upgraded):
    fleet, host = upgraded
    host.fails(kernel_module="the device does not answer")
    done = fleet.play("rollout", cipu_driver_version="0.2.1", **OPTIONS)
    assert done.rc == 2
    assert (
        "The rollback failed too, in Load the former driver: the device does not answer."
        in done.line
    )
    assert host.path("/var/lib/cipu-clock/before.json").exists()


def test_a_corrupt_record_changes_nothing(upgraded):
    fleet, host = upgraded
    host.write("/var/lib/cipu-clock/before.json", "{")
    before = host.files()
    done = fleet.play("rollout", cipu_driver_version="0.2.1", **OPTIONS)
    assert done.rc == 2
    assert "before.json is corrupt and nothing was changed" in done.line
    assert host.files() == before


def test_remove_leaves_neither_record_nor_list(upgraded):
    fleet, host = upgraded
    done = fleet.play("remove")
    assert done.rc == 0, done.text
    left = [name for name in host.files() if not name.startswith(("simulated", "usr/local/sbin"))]
    assert left == ["etc/os-release"]


def test_a_host_that_becomes_healthy_during_its_rollout_is_finished(finished_fleet):
    host = finished_fleet.hosts["a"]
    host.write("/simulated/state.json", json.dumps({**host.state(), "selected": ""}))
    done = finished_fleet.play("rollout", **OPTIONS)
    assert done.rc == 0, done.text
    assert host.state()["selected"] == "CIPU"
    assert not host.path("/var/lib/cipu-clock/before.json").exists()


def simulate_timesyncd(host, load, active):
    (host.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    host.write("/usr/local/sbin/systemctl", TIMESYNCD.format(load=load, active=active))
    host.path("/usr/local/sbin/systemctl").chmod(0o755)


def test_the_former_servers_survive_an_interrupted_switch(fleet):
    host = fleet.add("a")
    unit = "systemd-timesyncd.service"
    simulate_timesyncd(host, "loaded", "active")
    host.write("/etc/systemd/timesyncd.conf", "[Time]\nNTP=192.0.2.10\n")
    # The power is cut after apt has removed timesyncd.
    host.fails(chrony="the power is cut")
    options = dict(OPTIONS, cipu_rollout_revert="none", cipu_chrony_recorded_units=[unit])
    assert fleet.play("rollout", **options).rc != 0
    simulate_timesyncd(host, "not-found", "inactive")
    host.path("/etc/systemd/timesyncd.conf").unlink()
    host.fails()

    done = fleet.play("rollout", **options)
    assert done.rc == 0, done.text
    assert host.log()[-1] == 'chrony present {"timesyncd": ["server 192.0.2.10"]}'


def test_a_record_without_servers_is_used(fleet):
    """That of a rollout of an earlier version of the collection."""
    host = fleet.add("a")
    record = {"schema": 1, "files": {}, "units": {}, "driver": {"installed": {}}}
    host.write("/var/lib/cipu-clock/before.json", json.dumps(record))
    done = fleet.play("rollout", **OPTIONS)
    assert done.rc == 0, done.text
    assert host.log()[-1] == "chrony present"
