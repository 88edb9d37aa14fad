# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time has the lock of a host, and no stale lock blocks a run for ever."""

import json
import multiprocessing
import os
import stat
import time

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host import run_lock

LIMIT_S = 100


def run_named(name):
    return {
        "id": name,
        "playbook": "rollout",
        "controller": "ctl1",
        "user": "alice",
        "pid": "4711",
    }


ONE, TWO = run_named("one"), run_named("two")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run.lock")


@pytest.fixture
def locked(path):
    run_lock.acquire(path, ONE, LIMIT_S)
    return path


def change(path, **fields):
    with open(path) as stream:
        content = json.load(stream)
    content.update(fields)
    with open(path, "w") as stream:
        json.dump(content, stream)


def test_the_second_run_is_refused_and_learns_who_has_the_lock(locked):
    with pytest.raises(run_lock.Held) as caught:
        run_lock.acquire(locked, TWO, LIMIT_S)
    holder = caught.value.holder
    assert {name: holder[name] for name in run_lock.OWNER_FIELDS} == ONE
    assert 0 <= holder["age_s"] < 60
    assert time.strptime(holder["since"], "%Y-%m-%dT%H:%M:%SZ")
    assert stat.S_IMODE(os.stat(locked).st_mode) == 0o600


def test_the_same_run_takes_its_lock_again_without_a_change(locked):
    assert run_lock.acquire(locked, ONE, LIMIT_S) == (False, None)


def test_a_released_lock_leaves_no_file_and_is_free(locked):
    assert run_lock.release(locked, ONE)
    assert not os.path.lexists(locked)
    assert not run_lock.release(locked, ONE)
    assert run_lock.acquire(locked, TWO, LIMIT_S) == (True, None)


def test_a_run_does_not_release_the_lock_of_another(locked):
    assert not run_lock.release(locked, TWO)
    with pytest.raises(run_lock.Held):
        run_lock.acquire(locked, TWO, LIMIT_S)


@pytest.mark.parametrize(
    ("fields", "limit_s", "replaces"),
    [
        ({"boot_id": "former boot"}, LIMIT_S, ""),
        ({"taken_s": -2.0 * LIMIT_S}, LIMIT_S, ""),
        ({}, 0, ""),
        ({}, LIMIT_S, "one"),
    ],
    ids=["the host was restarted", "too old", "the operator sets limit 0", "its holder has ended"],
)
def test_a_stale_lock_is_replaced(locked, fields, limit_s, replaces):
    change(locked, **fields)
    changed, stale = run_lock.acquire(locked, TWO, limit_s, replaces)
    assert changed
    assert stale["id"] == "one"
    with pytest.raises(run_lock.Held) as caught:
        run_lock.acquire(locked, ONE, LIMIT_S)
    assert caught.value.holder["id"] == "two"


def test_only_the_named_holder_is_replaced(locked):
    with pytest.raises(run_lock.Held):
        run_lock.acquire(locked, TWO, LIMIT_S, replaces="three")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "one"}', '{"taken_s": "1"}', "\xff", "["])
def test_a_lock_without_a_holder_is_free(path, text):
    with open(path, "w", encoding="latin-1") as stream:
        stream.write(text)
    assert run_lock.acquire(path, TWO, LIMIT_S) == (True, None)


def test_a_long_text_in_a_lock_is_cut(locked):
    change(locked, user="u" * 1000)
    with pytest.raises(run_lock.Held) as caught:
        run_lock.acquire(locked, TWO, LIMIT_S)
    assert caught.value.holder["user"] == "u" * run_lock.TEXT_LIMIT


def test_check_mode_reports_the_holder_and_changes_nothing(locked, tmp_path):
    with pytest.raises(run_lock.Held):
        run_lock.acquire(locked, TWO, LIMIT_S, check_mode=True)
    assert run_lock.acquire(locked, TWO, 0, check_mode=True)[0]
    assert run_lock.release(locked, ONE, check_mode=True)
    with open(locked) as stream:
        assert json.load(stream)["id"] == "one"
    free = str(tmp_path / "free.lock")
    assert run_lock.acquire(free, TWO, LIMIT_S, check_mode=True) == (True, None)
    assert not os.path.lexists(free)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_path_that_is_no_regular_file_is_refused(path, tmp_path, kind):
    if kind == "link":
        os.symlink(str(tmp_path / "elsewhere"), path)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        os.mkdir(path)
    with pytest.raises(run_lock.Unlockable, match=r"run\.lock"):
        run_lock.acquire(path, ONE, LIMIT_S)
    assert not (tmp_path / "elsewhere").exists()


def test_a_run_waits_until_the_lock_is_released(locked, monkeypatch):
    monkeypatch.setattr(run_lock.time, "sleep", lambda _seconds: run_lock.release(locked, ONE))
    assert run_lock.acquire_within(60, locked, TWO, LIMIT_S) == (True, None)


def test_a_wait_is_bounded(locked, monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(run_lock.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(run_lock.time, "sleep", lambda seconds: now_s.append(now_s.pop() + seconds))
    with pytest.raises(run_lock.Held):
        run_lock.acquire_within(5, locked, TWO, LIMIT_S)
    assert now_s == [5.0]


def _contend(path, number, start, taken):
    start.wait()
    end_s = time.monotonic() + 60
    while taken.value < 10 and time.monotonic() < end_s:
        owner = run_named("run{0}".format(number))
        try:
            run_lock.acquire(path, owner, LIMIT_S)
        except run_lock.Held:
            continue
        # Another run that has it too would see this file.
        os.close(os.open(path + ".inside", os.O_CREAT | os.O_EXCL))
        os.unlink(path + ".inside")
        assert run_lock.release(path, owner)
        taken.value += 1


def test_runs_that_contend_never_have_the_lock_together(path):
    context = multiprocessing.get_context("fork")
    start, taken = context.Event(), [context.Value("i", 0) for _ in range(4)]
    runs = [
        context.Process(target=_contend, args=(path, number, start, taken[number]))
        for number in range(4)
    ]
    for one in runs:
        one.start()
    start.set()
    for one in runs:
        one.join()
    assert [one.exitcode for one in runs] == [0] * 4
    assert [count.value for count in taken] == [10] * 4
    assert not os.path.lexists(path)
