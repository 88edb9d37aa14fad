# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a run that has ended is replaced, that of a running one is not."""

import multiprocessing
import os
import subprocess

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible_collections.cipu.clock.plugins.action.host_lock import ActionModule
from ansible_collections.cipu.clock.plugins.plugin_utils import run_owner

from .acting import run_action

HELD = {"failed": True, "msg": "locked"}


def act(monkeypatch, replies, **arguments):
    """The result, and the arguments of each run of the module."""
    sent = []

    def execute(_self, module_name, module_args, task_vars):
        assert module_name == "cipu.clock.host_lock"
        sent.append(dict(module_args))
        return replies[len(sent) - 1]

    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    return run_action(ActionModule, "cipu.clock.host_lock", arguments, {}), sent


def held_by(owner_id):
    return dict(HELD, holder={"id": owner_id, "user": "alice"})


@pytest.fixture
def ended():
    """The id of a run whose process has ended."""
    process = subprocess.Popen(["sleep", "60"])
    owner_id = run_owner.describe("rollout")["id"].split()
    owner_id = "{0} {1} {2}".format(owner_id[0], process.pid, run_owner._started(process.pid))
    assert not run_owner.has_ended(owner_id)
    process.kill()
    # It counts as ended before its parent has asked for its status.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert run_owner.has_ended(owner_id)
    process.wait()
    return owner_id


def test_the_owner_is_the_same_for_every_task_of_a_run():
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        owners = pool.map(run_owner.describe, ["rollout", "rollout"])
    assert owners == [run_owner.describe("rollout")] * 2
    assert owners[0]["pid"] == str(os.getpid())


def test_a_run_that_has_ended_on_this_controller_is_replaced(monkeypatch, ended):
    replies = [held_by(ended), {"changed": True, "replaced": {"user": "alice"}}]
    result, sent = act(monkeypatch, replies, wait_s=60)
    assert result == replies[1]
    assert [("wait_s" in each, each["replaces"]) for each in sent] == [
        (False, ""),
        (False, ended),
    ]


def test_a_running_one_is_not_replaced(monkeypatch):
    alive = run_owner.describe("rollout")["id"]
    result, sent = act(monkeypatch, [held_by(alive)])
    assert result["failed"]
    assert len(sent) == 1


def test_a_running_one_is_waited_for_if_asked(monkeypatch):
    alive = run_owner.describe("rollout")["id"]
    _result, sent = act(monkeypatch, [held_by(alive), {"changed": True}], wait_s=60, limit_s=5)
    assert [each.get("wait_s") for each in sent] == [None, 60]
    assert [each.get("limit_s") for each in sent] == [5, 5]
    assert sent[1]["replaces"] == ""


def test_another_process_with_the_same_number_is_a_run_that_has_ended():
    system, pid, started = run_owner.describe("rollout")["id"].split()
    assert run_owner.has_ended(f"{system} {pid} {int(started) - 1}")


@pytest.mark.parametrize(
    "system", ["another-boot/4026531836", "another-host"], ids=["another boot", "no /proc"]
)
def test_a_run_of_another_controller_may_still_run(system):
    assert not run_owner.has_ended(f"{system} 999999999 1")


@pytest.mark.parametrize("text", ["", "x", "{0}", "{0} -1 1", "{0} 1", "{0} x 1", "{0} 1 1 1"])
def test_a_malformed_id_may_still_run(text):
    system = run_owner.describe("rollout")["id"].split()[0]
    assert not run_owner.has_ended(text.format(system))


def test_a_process_that_proc_hides_may_still_run(monkeypatch):
    # With the mount option hidepid=2 a user does not see the processes of others.
    monkeypatch.setattr(run_owner, "_started", lambda _pid: None)
    system, pid, _started = run_owner.describe("rollout")["id"].split()
    assert not run_owner.has_ended(f"{system} {pid} 1")


def test_no_run_is_known_to_have_ended_where_there_is_no_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(run_owner, "BOOT_ID", tmp_path / "missing")
    owner = run_owner.describe("rollout")
    assert owner["id"].split()[1] == str(os.getpid())
    assert not run_owner.has_ended(owner["id"])
