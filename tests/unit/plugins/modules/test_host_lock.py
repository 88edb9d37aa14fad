# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the lock."""

from types import SimpleNamespace

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host.run_lock import Held
from ansible_collections.cipu.clock.plugins.modules import host_lock

OWNER = {
    "id": "one",
    "playbook": "rollout",
    "controller": "ctl1",
    "user": "alice",
    "pid": "4711",
}


def module(path, owner, **params):
    params = {
        "state": "present",
        "path": str(path),
        "playbook": "rollout",
        "wait_s": 0,
        "limit_s": 60,
        "owner": owner,
        "replaces": "",
        **params,
    }
    return SimpleNamespace(params=params, check_mode=False)


def test_the_lock_is_taken_once_and_released_once(tmp_path):
    path = tmp_path / "run.lock"
    results = [host_lock.run(module(path, OWNER)) for _ in range(2)]
    assert results == [{"changed": True}, {"changed": False}]
    results = [host_lock.run(module(path, OWNER, state="absent")) for _ in range(2)]
    assert results == [{"changed": True}, {"changed": False}]


def test_the_message_names_the_holder_and_what_to_do(tmp_path):
    path = tmp_path / "run.lock"
    host_lock.run(module(path, OWNER))
    with pytest.raises(Held) as caught:
        host_lock.run(module(path, dict(OWNER, id="two"), playbook="remove"))
    text = host_lock.message(dict(caught.value.holder, since="T", age_s=7), "remove")
    assert text == (
        "The playbook rollout of alice on ctl1, process 4711, has locked this host since T (7 s). "
        "Wait until it ends and run this again. If it no longer runs, set cipu_remove_lock_limit_s "
        "to 0 for this run."
    )


def test_a_replaced_lock_is_returned(tmp_path):
    path = tmp_path / "run.lock"
    host_lock.run(module(path, OWNER))
    result = host_lock.run(module(path, dict(OWNER, id="two"), replaces="one"))
    assert result["changed"]
    assert (result["replaced"]["user"], result["replaced"]["pid"]) == ("alice", "4711")
