# SPDX-License-Identifier: GPL-3.0-or-later
"""The time daemons that run, and facts of a chronyd whose device is missing."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._chrony import daemon
from ansible_collections.cipu.clock.plugins.module_utils._host import system, units
from ansible_collections.cipu.clock.plugins.module_utils._host.commands import Outcome
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

from .test_collect import FILES, OUTPUTS, Simulated


def show(unit, active="active", sub="running", pid=7):
    return f"MainPID={pid}\nId={unit}\nLoadState=loaded\nActiveState={active}\nSubState={sub}\n"


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("chrony.service", "chronyd"),
        ("chronyd-restricted.service", "chronyd"),
        ("ntpd-rs.service", "ntpd-rs"),
        ("ntpsec.service", "ntpd"),
        ("phc2sys@eth0.service", "phc2sys"),
        ("phc2sys.service", "phc2sys"),
        ("timemaster.service", "timemaster"),
    ],
)
def test_units_of_time_daemons(unit, name):
    assert system.parse_units(show(unit)) == ({name: 7}, set())


@pytest.mark.parametrize(
    "unit", ["ssh.service", "phc2sys@.service", "phc2sys@eth0.timer", "a@b.service"]
)
def test_other_units(unit):
    assert units.daemon(unit) is None


@pytest.mark.parametrize(
    ("active", "sub", "pid", "runs", "restarts"),
    [
        ("active", "running", 7, True, False),
        ("reloading", "reload", 7, True, False),
        ("activating", "start-post", 7, True, False),
        ("activating", "start-pre", 0, False, False),
        ("activating", "auto-restart", 0, False, True),
        ("activating", "auto-restart-queued", 0, False, True),
        ("failed", "failed", 0, False, False),
        ("inactive", "dead", 0, False, False),
    ],
)
def test_a_daemon_that_is_restarted_does_not_run(active, sub, pid, runs, restarts):
    fields = units.parse_show(show("chrony.service", active, sub, pid))["chrony.service"]
    assert (units.runs(fields), units.restarts(fields)) == (runs, restarts)


def test_a_chronyd_that_restarts_without_its_device_is_named(tmp_path):
    outputs = dict(
        OUTPUTS,
        chronyc=Outcome(1, "506 Cannot talk to daemon\n"),
        systemctl=show("chrony.service", "activating", "auto-restart", 0),
    )
    files = {
        name: text for name, text in FILES.items() if name not in {"dev/ptp_cipu", "proc/77/comm"}
    }
    facts = Simulated(tmp_path, files, outputs).facts()
    assert facts["time_daemons"] == []
    assert facts["chrony"]["status"] == "restarting"
    assert facts["chrony"]["missing_devices"] == ["/dev/ptp_cipu"]
    assert any(
        "/dev/ptp_cipu" in line and "fails and restarts" in line for line in facts["missing"]
    )


def test_a_refclock_that_waits_for_its_device_is_named(tmp_path):
    files = {name: text for name, text in FILES.items() if name != "dev/ptp_cipu"}
    files["etc/cipu-clock/refclocks.conf"] = "refclock PHC /dev/ptp_cipu refid CIPU\n"
    facts = Simulated(tmp_path, files, {**OUTPUTS, "chronyd -p": ""}).facts()
    assert facts["chrony"]["status"] == "ok"
    assert facts["chrony"]["refclocks"] == []
    assert facts["chrony"]["missing_devices"] == ["/dev/ptp_cipu"]


def test_two_refclocks_of_one_device_are_both_reported(tmp_path):
    line = "refclock PHC /dev/ptp_cipu refid CIPU\n"
    facts = Simulated(tmp_path, None, {**OUTPUTS, "chronyd -p": line + line}).facts()
    assert [r["device"] for r in facts["chrony"]["refclocks"]] == ["/dev/ptp_cipu"] * 2


def test_the_main_file_of_the_running_daemon_is_read(tmp_path):
    files = {**FILES, "proc/77/cmdline": "/usr/sbin/chronyd\0-F\0001\0-f\0/etc/chrony/site.conf\0"}
    host = Simulated(tmp_path, files)
    assert host.facts()["chrony"]["config"] == "/etc/chrony/site.conf"
    asked = [argv for argv in host.asked if "-p" in argv and "chronyd" in argv[0]]
    assert asked[0][-1].endswith("/etc/chrony/site.conf")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["-f", "/a"], "/a"),
        (["-F1", "-f/a"], "/a"),
        (["-xf", "/a"], "/a"),
        (["-F", "-f", "-s"], None),
        (["-u", "f", "-d"], None),
        (["-f"], None),
        (["--", "-f", "/a"], None),
        (["server a", "-f", "/a"], "/a"),
        ([], None),
    ],
)
def test_option_f(arguments, path):
    assert daemon.config_option(arguments) == path


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("etc/default/chrony", 'DAEMON_OPTS="-F 1 -f /etc/site.conf"\n', "/etc/site.conf"),
        ("etc/sysconfig/chronyd", "OPTIONS='-f /etc/site.conf'\n", "/etc/site.conf"),
        ("etc/sysconfig/chronyd", 'OPTIONS="-F 2"\n', "/etc/chrony.conf"),
        ("etc/default/chrony", '#DAEMON_OPTS="-f /a"\nDAEMON_OPTS="-f\n', "/etc/chrony.conf"),
    ],
)
def test_option_f_of_a_daemon_that_does_not_run(tmp_path, name, text, path):
    for file, content in ((name, text), ("etc/chrony.conf", "")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    assert daemon.main_file(Tree(str(tmp_path))) == path


@pytest.mark.parametrize(
    ("version", "old"),
    [("3.5", True), ("3.5.1", True), ("4.0", False), ("10.1", False), (None, False)],
)
def test_too_old(version, old):
    assert daemon.too_old(version) is old


def test_running_instances_are_listed(tmp_path):
    shown = show("chrony.service") + "\n" + show("phc2sys@eth0.service")
    shown += "\n" + show("phc2sys@eth1.service", "inactive", "dead", 0)
    facts = Simulated(tmp_path, None, {**OUTPUTS, "systemctl": shown}).facts()
    assert facts["time_daemons"] == ["chronyd", "phc2sys"]
    assert facts["time_instances"] == ["phc2sys@eth0.service"]
