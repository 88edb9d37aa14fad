# SPDX-License-Identifier: GPL-3.0-or-later
"""One playbook run at a time on a host: a lock file that names the run that changes the host.

A run consists of many short logins, so no process of the host lives as long as the run and could
keep a lock of the kernel. The file is therefore the lock. It is stale after a restart of the host,
after a time limit, and when the caller knows that its holder no longer runs. A lock of the kernel
only protects the file while it is read and written. A file that does not name a holder is free:
its writer was killed, so its run did not continue.
"""

import contextlib
import fcntl
import json
import os
import stat
import time

SCHEMA = 1
READ_LIMIT = 4096
TEXT_LIMIT = 100
# Absent from the module time before Python 3.7. It counts while the host is suspended, and chronyd
# cannot step it.
CLOCK_BOOTTIME = 7
OWNER_FIELDS = ("id", "playbook", "controller", "user", "pid")
POLL_S = 1.0


class Unlockable(Exception):
    """The lock file cannot be used; the text says why and what to do."""


class Held(Exception):
    """Another run has the lock."""

    def __init__(self, holder):
        super(Held, self).__init__("the lock is held")
        self.holder = holder


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as stream:
        return stream.read().strip()


def boot_clock_s():
    return time.clock_gettime(CLOCK_BOOTTIME)


def acquire(path, owner, limit_s, replaces="", check_mode=False):
    """Take the lock. Returns whether that changed it, and the stale holder that was replaced."""
    if check_mode and not os.path.lexists(path):
        return True, None
    with _open(path) as handle:
        holder = _read(handle)
        if holder is not None:
            if holder["id"] == owner["id"]:
                return False, None
            ended = holder["boot_id"] != boot_id() or holder["id"] == replaces
            if not ended and holder["age_s"] < limit_s:
                raise Held(holder)
        if not check_mode:
            _write(handle, owner)
        return True, holder


def acquire_within(wait_s, path, owner, limit_s, replaces="", check_mode=False):
    """Take the lock as soon as it is free, or raise Held after wait_s seconds."""
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            return acquire(path, owner, limit_s, replaces, check_mode)
        except Held:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(POLL_S)


def release(path, owner, check_mode=False):
    """Remove the lock if this run has it. Returns whether it had it."""
    if not os.path.lexists(path):
        return False
    with _open(path) as handle:
        holder = _read(handle)
        mine = holder is not None and holder["id"] == owner["id"]
        if mine and not check_mode:
            os.unlink(path)
    return mine


@contextlib.contextmanager
def _open(path):
    """The lock file, which no other process reads or writes at the same time."""
    while True:
        handle = _descriptor(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # The run that had the lock may have removed the file in the meantime.
            if _is_at(handle, path):
                yield handle
                return
        finally:
            os.close(handle)


def _descriptor(path):
    advice = "Run the playbook as root, and remove that path if it is not a regular file."
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        raise Unlockable(
            "The lock file {0} cannot be opened: {1}. {2}".format(path, error.strerror, advice)
        )
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unlockable("The lock file {0} is not a regular file. {1}".format(path, advice))
    return handle


def _is_at(handle, path):
    try:
        there = os.lstat(path)
    except OSError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _read(handle):
    """The run that the file names, with the age of the lock, or None."""
    try:
        content = json.loads(os.pread(handle, READ_LIMIT, 0).decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("taken_s"), (int, float)):
        return None
    holder = {name: str(content.get(name, ""))[:TEXT_LIMIT] for name in OWNER_FIELDS}
    holder["since"] = str(content.get("since", ""))[:TEXT_LIMIT]
    holder["boot_id"] = str(content.get("boot_id", ""))
    holder["age_s"] = int(boot_clock_s() - content["taken_s"])
    return holder


def _write(handle, owner):
    content = {name: owner[name] for name in OWNER_FIELDS}
    content.update(
        schema=SCHEMA,
        boot_id=boot_id(),
        taken_s=round(boot_clock_s(), 3),
        since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    os.ftruncate(handle, 0)
    os.pwrite(handle, (json.dumps(content, sort_keys=True) + "\n").encode("utf-8"), 0)
