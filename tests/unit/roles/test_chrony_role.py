# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role chrony decides: hosts that it must not touch, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FUNCTION = {"functions": [{"pci_address": "0000:00:10.0"}]}
KVM = {"clocks": [{"kind": "kvm", "node": "/dev/ptp0", "links": ["/dev/ptp_kvm"], "index": 0}]}


def facts(**changes):
    return {
        "functions": [],
        "clocks": [],
        "time_daemons": ["timesyncd"],
        "chrony": {"status": "absent"},
        **changes,
    }


@pytest.fixture
def run(tmp_path):
    (tmp_path / "ansible_collections/cipu").mkdir(parents=True)
    (tmp_path / "ansible_collections/cipu/clock").symlink_to(ROOT)

    def play(clock, os_family="Debian", **variables):
        system = {"distribution": os_family, "os_family": os_family, "facts": clock}
        host = {"system": system, "ansible_connection": "local", **variables}
        (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": {"host": host}}}))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ansible", "playbook"),
                *("--inventory", tmp_path / "inventory.json"),
                *("--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable})),
                Path(__file__).with_name("chrony.yml"),
            ],
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return play


@pytest.mark.parametrize(
    ("clock", "os_family"),
    [
        (facts(**KVM), "Debian"),
        (
            facts(**KVM, chrony={"status": "ok", "selected": "x"}, time_daemons=["chronyd"]),
            "Debian",
        ),
        (facts(time_daemons=["ntpd"]), "RedHat"),
        (facts(time_daemons=[]), "Alpine"),
    ],
)
def test_a_host_without_the_clock_is_reported_and_not_changed(run, clock, os_family):
    status, printed = run(clock, os_family)
    assert status == 0, printed
    assert "This host has no CIPU function, so its time settings are not changed." in printed
    assert "changed=0" in printed
    assert "Set up chronyd" not in printed or "skipping: [host]" in printed
    assert "Install chrony" not in printed


def test_refclocks_of_the_cipu_clock_mean_nothing_on_other_hosts(run):
    refclocks = [{"device": "/dev/ptp_cipu", "refid": "CIPU"}]
    status, printed = run(facts(**KVM), cipu_chrony_refclocks=refclocks)
    assert status == 0, printed
    assert "changed=0" in printed
    assert "Install chrony" not in printed


@pytest.mark.parametrize(
    ("clock", "variables", "sentence"),
    [
        (
            facts(),
            {"cipu_chrony_clock": "kvm"},
            "KVM's PTP clock was requested, but this host has none",
        ),
        (
            facts(**FUNCTION),
            {"cipu_chrony_refclocks": [{"device": "/dev/ptp0", "refid": "X"}]},
            "names /dev/ptp0, a number that may change",
        ),
        (facts(**FUNCTION, time_daemons=["ntpd-rs"]), {}, "ntpd-rs sets the system clock"),
        (facts(**FUNCTION), {"os_family": "Alpine"}, "supports Debian and RedHat, not Alpine"),
    ],
)
def test_refusals_come_before_any_change(run, clock, variables, sentence):
    status, printed = run(clock, **variables)
    assert status != 0
    assert sentence in " ".join(printed.split()), printed
    assert "changed=0" in printed


def test_refclock_lines(run):
    refclocks = [
        {"device": "/dev/ptp_cipu", "refid": "CIPU", "poll": 0, "dpoll": -1, "delay": 0.00001},
        {"device": "/dev/ptp_kvm", "refid": "KVM", "poll": 2, "prefer": "false", "trust": "yes"},
    ]
    _status, printed = run(facts(), cipu_chrony_refclocks=refclocks, render=True)
    lines = " ".join(printed.split())
    assert "refclock PHC /dev/ptp_cipu refid CIPU poll 0 dpoll -1 delay 0.000010000" in lines
    assert "refclock PHC /dev/ptp_kvm refid KVM poll 2 trust" in lines


@pytest.mark.parametrize(
    ("daemons", "servers"),
    [
        # An earlier run was interrupted when apt had removed timesyncd, or had not done so yet.
        (["chronyd"], "server a, pool b"),
        ([], "server a, pool b"),
        (["timesyncd"], "pool b"),
    ],
)
def test_servers_of_recorded_daemons_that_do_not_run_any_more(run, daemons, servers):
    recorded = {"timesyncd": ["server a"], "ntpd": ["pool b"]}
    clock = facts(time_daemons=daemons)
    _status, printed = run(clock, cipu_chrony_recorded_servers=recorded, render=True)
    assert f"FORMER {servers}." in printed
