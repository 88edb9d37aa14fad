# SPDX-License-Identifier: GPL-3.0-or-later
"""The chrony_refclock module with a real chronyd."""

import os
import time

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.module_utils._chrony import daemon, refclock_unit
from ansible_collections.cipu.clock.plugins.module_utils._chrony.configtest import Refused
from ansible_collections.cipu.clock.plugins.module_utils._host import commands
from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree
from ansible_collections.cipu.clock.tests.unit.plugins.modules.private_chrony import (
    CHRONYD,
    NtpServer,
    PrivateChrony,
    end,
    needs_chronyd,
)

pytestmark = needs_chronyd
# It exists, so it is in the snippet. It is not a PHC, so chronyd does not start with it.
NO_PHC = "refclock PHC /dev/null refid CIPU"
MISSING = "refclock PHC /dev/no_such_ptp refid CIPU"


@pytest.fixture
def hosts():
    """Makes hosts, and ends their chronyd."""
    made = []

    def make(*arguments, **params):
        made.append(PrivateChrony(*arguments, **params))
        return made[-1]

    yield make
    for host in made:
        end(host.pidfile)


@pytest.fixture
def ntp(tmp_path):
    server = NtpServer(tmp_path / "server")
    yield f"server localhost port {server.port} iburst\n"
    end(server.pidfile)


@pytest.fixture
def host(tmp_path, hosts):
    (tmp_path / "host").mkdir()
    host = hosts(tmp_path / "host")
    host.restart()
    host.calls.clear()
    return host


def test_a_dropin_is_written_once_and_a_named_server_is_selected(host, ntp):
    work = host.present(content=ntp, selects="localhost")
    assert host.dropin.read_text() == ntp
    assert host.restarts() == 1
    assert 0 <= work.waited_s < 20
    again = host.present()
    assert again.actions == []
    assert host.restarts() == 1


def test_a_selected_server_may_be_named_by_address(host, ntp):
    assert host.present(content=ntp, selects="127.0.0.1").rolled_back is False


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_waiting_does_not_follow_the_wall_clock(host, monkeypatch, step_s):
    real, began = time.time, time.monotonic()
    monkeypatch.setattr(
        time, "time", lambda: real() + (step_s if time.monotonic() > began + 1 else 0)
    )
    with pytest.raises(Refused, match=r"did not select CIPU within 3 s; it selected nothing"):
        host.present(selects="CIPU", timeout_s=3)
    assert 3 <= time.monotonic() - began < 15


def test_a_refused_option_is_named_and_nothing_is_changed(host):
    before = host.files()
    bad = "refclock PHC /dev/ptp_cipu refid CIPU poll 0 bogus 5 prefer"
    with pytest.raises(Refused) as refusal:
        host.present(content="# first\n" + bad + "\n")
    message = str(refusal.value)
    assert "refuses the option bogus in '" + bad in message
    assert f"(line 2 of {host.dropin})" in message
    assert host.files() == before
    assert host.restarts() == 0


def test_an_option_of_a_refclock_that_is_not_there_yet_is_tested_too(host):
    with pytest.raises(Refused, match=r"the option bogus"):
        host.present(refclocks=[MISSING + " bogus 1"])
    assert host.restarts() == 0


def test_a_missing_device_leaves_chronyd_on_ntp(host, ntp):
    host.present(content=ntp, refclocks=[MISSING], selects="localhost")
    assert not (host.folder / "run/chrony-dhcp/cipu-refclock.conf").exists()
    assert MISSING in (host.folder / "etc/cipu-clock/refclocks.conf").read_text()


def test_a_refclock_that_must_be_selected_needs_its_device(host):
    with pytest.raises(Refused, match=r"/dev/no_such_ptp does not exist.*Load its driver first"):
        host.present(refclocks=[MISSING], selects="CIPU")
    assert host.restarts() == 0


def test_a_device_that_chronyd_cannot_use_is_rolled_back(host):
    before = host.files()
    with pytest.raises(Refused, match=r"former files were restored and chronyd runs with them"):
        host.present(refclocks=[NO_PHC])
    work = host.work()
    assert work.service.running()
    assert host.files() == {**before, **snippet(host)}


def snippet(host):
    """The snippet under /run is left until systemd starts chronyd with the script again."""
    return {k: v for k, v in host.files().items() if k.startswith("run/")}


def test_a_rollback_whose_restart_fails_is_no_rollback(host):
    # Passes the test of the configuration, and stops chronyd at its start.
    with host.main.open("a") as main:
        main.write("refclock PHC /dev/null refid X\n")
    work = host.work(state="present")
    with pytest.raises(Refused, match=r"files were restored, but .*restart.* failed"):
        work.present()
    assert work.rolled_back is False
    assert not host.dropin.exists()


def test_a_source_that_is_not_selected_in_time_is_rolled_back(host):
    host.present()
    before = host.files()
    work = host.work(content="maxclockerror 40\n", selects="CIPU", timeout_s=0)
    with pytest.raises(Refused, match=r"did not select CIPU within 0 s"):
        work.present()
    assert work.rolled_back
    assert host.files() == before
    assert work.service.running()


def test_a_stopped_chronyd_is_stopped_again_by_a_rollback(host):
    host.stop()
    work = host.work(selects="CIPU", timeout_s=0)
    with pytest.raises(Refused, match=r"chronyd is stopped again"):
        work.present()
    assert not work.service.running()


def test_absent_removes_everything_and_restarts_once(host):
    before = host.files()
    host.present(refclocks=[MISSING])
    assert len(host.files()) == len(before) + 6
    host.absent()
    assert host.files() == before
    assert host.restarts() == 2
    host.absent()
    assert host.restarts() == 2


def test_absent_fails_if_chronyd_does_not_run_afterwards(host):
    host.present()
    before = host.files()
    host.main.write_text(host.main.read_text() + "refclock PHC /dev/null refid X\n")
    work = host.work(state="absent")
    with pytest.raises(Refused, match=r"restart chrony.service failed"):
        work.absent()
    assert host.files().keys() == before.keys()


def test_absent_does_not_start_a_stopped_chronyd(host):
    host.present()
    host.stop()
    host.unit_file_state = "disabled"
    host.absent()
    assert not host.work().service.running()
    assert host.unit_file_state == "disabled"


def test_mode_and_owner_are_kept(host):
    host.present()
    host.dropin.chmod(0o640)
    host.present(content="maxclockerror 40\n")
    assert host.dropin.stat().st_mode & 0o777 == 0o640
    with pytest.raises(Refused):
        host.present(content="maxclockerror 30\n", selects="CIPU", timeout_s=0)
    assert host.dropin.stat().st_mode & 0o777 == 0o640


def test_a_link_is_not_replaced(host):
    (host.folder / "target").write_text("")
    host.dropin.symlink_to(host.folder / "target")
    with pytest.raises((Refused, Unwritable), match=r"not a regular file"):
        host.present()
    assert host.dropin.is_symlink()


def test_the_other_files_are_restored_if_one_cannot_be_written(host):
    before = host.files()
    (host.folder / "etc").write_text("")
    with pytest.raises(Refused, match=r"other files were restored"):
        host.present(refclocks=[MISSING])
    assert {**before, "etc": b""} == host.files()


def test_a_failing_enable_is_a_failure(host):
    host.unit_file_state = "disabled"
    host.fails.add("enable")
    before = host.files()
    with pytest.raises(Refused, match=r"enable chrony.service failed: enable was refused"):
        host.present(enable=True)
    assert host.files() == before


@pytest.mark.parametrize("state", ["disabled", "masked"])
def test_a_unit_that_an_administrator_switched_off_is_not_enabled_silently(host, state):
    host.unit_file_state = state
    with pytest.raises(Refused, match=f"chrony.service is {state}"):
        host.present()
    assert host.unit_file_state == state
    assert not host.dropin.exists()
    host.present(enable=True)
    assert host.unit_file_state == "enabled"


def test_a_chronyc_that_hangs_does_not_exceed_the_time_limit(host):
    slow = host.folder / "chronyc"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    host.programs["chronyc"] = str(slow)
    began = time.monotonic()
    with pytest.raises(Refused, match=r"did not select CIPU"):
        host.present(selects="CIPU", timeout_s=2)
    assert time.monotonic() - began < 20


def test_check_mode_tests_and_changes_nothing(host):
    before = host.files()
    host.check_mode = True
    work = host.present(refclocks=[MISSING])
    assert f"write {host.dropin}" in work.actions
    assert host.files() == before
    assert host.restarts() == 0
    with pytest.raises(Refused):
        host.present(content="bogus\n")


# Layouts.


def times_read(host):
    """Number of times that chronyd itself reads the drop-in."""
    done = commands.run([CHRONYD, "-p", "-f", str(host.main)], 10)
    assert done.ok, done.err
    return done.out.count(host.dropin.read_text().strip())


def test_an_include_by_pattern_is_read(tmp_path, hosts):
    host = hosts(tmp_path, "include {0}/conf.d/*.conf\n")
    (tmp_path / "conf.d/own.conf").write_text("")
    host.present()
    host.stop()
    assert times_read(host) == 1


def test_a_main_file_that_reads_no_dropins_is_refused(tmp_path, hosts):
    host = hosts(tmp_path, "server 192.0.2.1\n")
    before = host.files()
    with pytest.raises(Refused, match=r"reads no drop-ins.*or set add_confdir"):
        host.present()
    assert host.files() == before


def test_the_marked_line_is_added_and_removed(tmp_path, hosts):
    host = hosts(tmp_path, "server 192.0.2.1\n")
    host.main.chmod(0o640)
    before = host.files()
    host.present(add_confdir=True)
    assert host.main.read_text().count(f"confdir {tmp_path}/conf.d") == 1
    assert host.main.stat().st_mode & 0o777 == 0o640
    assert host.present().actions == []
    host.absent()
    assert host.files() == before


def test_the_marked_line_is_removed_once_the_administrator_adds_one(tmp_path, hosts):
    host = hosts(tmp_path, "server 192.0.2.1\n")
    host.present(add_confdir=True)
    with host.main.open("a") as main:
        main.write(f"confdir {tmp_path}/conf.d\n")
    host.present()
    assert host.main.read_text().count("confdir") == 1
    assert times_read(host) == 1


def test_a_refused_marked_line_leaves_the_main_file(tmp_path, hosts):
    host = hosts(tmp_path, "server 192.0.2.1\n")
    before = host.files()
    with pytest.raises(Refused, match=r"Nothing was changed"):
        host.present(add_confdir=True, content="bogus\n")
    assert host.files() == before


def test_a_file_that_would_be_read_twice_is_refused(tmp_path, hosts):
    host = hosts(tmp_path, "confdir {0}/conf.d\ninclude {0}/conf.d/*.con[f]\n")
    (tmp_path / "conf.d/own.conf").write_text("")
    with pytest.raises(Refused, match=r"reads no drop-ins|2 times"):
        host.present()


def test_a_second_refclock_of_the_same_device_is_refused(host):
    (host.folder / "conf.d/own.conf").write_text("refclock PHC /dev/no_such_ptp:nocrossts\n")
    with pytest.raises(Refused, match=r"two refclocks of /dev/no_such_ptp"):
        host.present(refclocks=[MISSING])


def test_the_file_of_the_option_f_is_used(host):
    pid = host.work().service.pid()
    assert daemon.main_file(Tree(), pid) == str(host.main)


def test_an_old_chrony_is_refused_and_the_main_file_is_not_touched(tmp_path, hosts):
    host = hosts(tmp_path, "server 192.0.2.1\n")
    old = tmp_path / "chronyd"
    old.write_text("#!/bin/sh\necho 'chronyd (chrony) version 3.5 (+CMDMON)'\n")
    old.chmod(0o755)
    host.programs["chronyd"] = str(old)
    before = host.files()
    with pytest.raises(Refused, match=r"chrony 3\.5 is too old: drop-ins need 4\.0"):
        host.present(add_confdir=True)
    assert host.files() == before


# Servers of the former daemon.


def test_servers_of_the_former_daemon_are_kept(host):
    (host.folder / "conf.d/own.conf").write_text("server 192.0.2.1\n")
    host.present(former_servers=["server 192.0.2.1", "pool 192.0.2.2"])
    kept = host.folder / "conf.d" / refclock_unit.FORMER_SERVERS
    assert kept.read_text() == refclock_unit.FORMER_HEAD + "pool 192.0.2.2 iburst\n"
    assert host.present(former_servers=[]).actions == []
    host.absent()
    assert kept.exists()


def test_nothing_else_is_left_in_the_folder_of_the_main_file(host):
    host.present(refclocks=[MISSING])
    assert not [name for name in os.listdir(host.folder) if name.startswith(".cipu-")]
