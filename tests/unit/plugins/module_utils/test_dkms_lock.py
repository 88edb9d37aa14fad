# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time, and a wait that ends."""

import os
import time

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._dkms import lock


def test_only_one_run_at_a_time(tmp_path):
    path = str(tmp_path / "lock")
    with lock.alone(path):
        began = time.monotonic()
        with pytest.raises(lock.Unlockable) as reason, lock.alone(path, wait_s=0.5):
            pytest.fail("two runs at a time")
        assert 0.5 <= time.monotonic() - began < 5
        expected = "Another run of this module, process {0}, did not end within 0.5 s."
        assert str(reason.value).startswith(expected.format(os.getpid()))
    with lock.alone(path, wait_s=0.5):
        assert os.stat(path).st_mode & 0o777 == 0o600


def test_the_wait_does_not_follow_the_wall_clock(tmp_path, monkeypatch):
    path = str(tmp_path / "lock")
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the wall clock was read"))
    with lock.alone(path), pytest.raises(lock.Unlockable), lock.alone(path, wait_s=0.3):
        pytest.fail("two runs at a time")


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_anything_but_a_regular_file_is_refused(tmp_path, kind):
    path = tmp_path / "lock"
    victim = tmp_path / "victim"
    victim.write_text("content")
    path.symlink_to(victim) if kind == "link" else path.mkdir()
    with pytest.raises(lock.Unlockable, match="cannot be opened"), lock.alone(str(path)):
        pytest.fail("opened")
    assert victim.read_text() == "content"


def test_only_root_can_write_to_the_default_folder():
    assert os.path.dirname(lock.LOCK) == "/run"
    assert lock.LOCK_WAIT_S <= 900
