# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that gives chronyd its refclocks, run by a real shell."""

import os
import subprocess

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._chrony import refclock_unit

# Character devices that exist everywhere. The script checks only that they exist.
LINE = "refclock PHC /dev/null refid A poll 0"
OTHER = "refclock PHC /dev/zero:nocrossts refid B"
MISSING = "refclock PHC /dev/no_such_ptp refid C"


class Host:
    def __init__(self, folder):
        self.folder = folder
        self.script = folder / "script"
        self.script.write_text(refclock_unit.script("chrony", str(folder)))
        self.list = folder / refclock_unit.LIST[1:]
        self.snippet = folder / refclock_unit.SNIPPET[1:]
        self.refused = folder / refclock_unit.REFUSED[1:]
        (folder / "etc/cipu-clock").mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "run").mkdir()
        self.stand_in("systemctl", f'echo "$@" >>{folder}/calls')
        self.stand_in("journalctl", f"cat {folder}/journal 2>/dev/null || true")

    def stand_in(self, name, body):
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self, verb, **env):
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/sh", self.script, verb],
            env={"PATH": path, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            check=True,
        )

    def lines(self):
        if not self.snippet.exists():
            return []
        return [n for n in self.snippet.read_text().splitlines() if not n.startswith("#")]

    def calls(self):
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_only_refclocks_whose_device_exists_are_given(host):
    host.list.write_text(f"# a comment\n{LINE}\n{MISSING}\n{OTHER}\n")
    host.run("prepare")
    assert host.lines() == [LINE, OTHER]
    host.list.write_text(MISSING + "\n")
    host.run("prepare")
    assert not host.snippet.exists()
    assert list(host.snippet.parent.iterdir()) == []


def test_without_a_list_there_is_no_snippet(host):
    host.run("prepare")
    assert not host.snippet.parent.exists()


def test_an_event_that_changes_nothing_restarts_nothing(host):
    host.list.write_text(LINE + "\n")
    host.run("prepare")
    host.run("update")
    assert host.calls() == []


def test_a_device_that_appears_restarts_chronyd(host):
    host.list.write_text(LINE + "\n")
    host.run("update")
    assert host.calls() == ["try-restart chrony.service"]
    assert host.lines() == [], "the start of chronyd writes the snippet, since it may fail"


def test_a_device_that_disappears_restarts_chronyd(host):
    host.list.write_text(LINE + "\n")
    host.run("prepare")
    host.list.write_text(MISSING + "\n")
    host.run("update")
    assert host.calls() == ["try-restart chrony.service"]


def test_another_node_of_the_same_name_restarts_chronyd(host):
    host.list.write_text(LINE + "\n")
    host.run("prepare")
    text = host.snippet.read_text()
    assert "inode" in text
    host.snippet.write_text(text.replace("inode ", "inode 9"))
    host.run("update")
    assert host.calls() == ["try-restart chrony.service"]


def test_a_failed_restart_is_followed_by_a_start(host):
    host.stand_in("systemctl", f'echo "$@" >>{host.folder}/calls; test "$1" != try-restart')
    host.list.write_text(LINE + "\n")
    host.run("update")
    assert host.calls() == ["try-restart chrony.service", "start chrony.service"]


@pytest.mark.parametrize(
    ("journal", "left_out"),
    [
        ("Fatal error : Could not open /dev/ptp_cipu : Permission denied", True),
        ("Fatal error : ioctl(PTP_CLOCK_GETCAPS) failed : Inappropriate ioctl", True),
        ("Fatal error : Invalid directive at line 3 in file /etc/chrony/chrony.conf", False),
        ("", False),
    ],
)
def test_a_refclock_that_chronyd_could_not_use_is_left_out(host, journal, left_out):
    host.list.write_text(LINE + "\n")
    host.run("prepare")
    (host.folder / "journal").write_text(journal)
    host.run("ended", SERVICE_RESULT="exit-code", INVOCATION_ID="1")
    assert host.refused.exists() == left_out
    done = host.run("prepare")
    assert host.lines() == ([] if left_out else [LINE])
    assert ("starts without it" in done.stderr) == left_out
    host.run("update")
    assert host.calls() == []


def test_a_device_that_was_left_out_is_tried_again_when_it_changes(host):
    host.list.write_text(LINE + "\n")
    host.refused.write_text("another device\n")
    host.run("prepare")
    assert host.lines() == [LINE]


@pytest.mark.parametrize("result", ["success", "signal", "core-dump", "oom-kill"])
def test_a_chronyd_that_ended_for_another_reason_keeps_its_refclock(host, result):
    host.list.write_text(LINE + "\n")
    host.run("prepare")
    (host.folder / "journal").write_text("Could not open /dev/ptp_cipu")
    host.run("ended", SERVICE_RESULT=result, INVOCATION_ID="1")
    assert not host.refused.exists()


def test_no_unit_waits_for_a_device():
    texts = refclock_unit.dropin() + refclock_unit.unit()
    assert ".device" not in texts


def test_the_rule_makes_stable_links_and_runs_the_unit_for_every_action():
    rule = refclock_unit.rule()
    for link in ("ptp_kvm", "ptp_hyperv", "ptp_ena", "ptp_vmclock"):
        assert f'SYMLINK+="{link}"' in rule
    assert "ACTION" not in rule
    assert "--no-block restart cipu-refclock.service" in rule
