# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the module at a time, since DKMS itself has no lock.

A run whose connection was cut continues to build. The lock file is in a folder that only root can
write to, and only root can open it, so that no user can replace or lock it.
"""

import contextlib
import errno
import fcntl
import os
import time

LOCK = "/run/cipu-clock-dkms.lock"
LOCK_WAIT_S = 900
POLL_S = 0.2


class Unlockable(Exception):
    """The lock cannot be acquired; the text says why and what to do."""


def _open(path):
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unlockable(
            "The lock file {0} cannot be opened: {1}. Run the module as root, and remove that "
            "path if it is not a regular file.".format(path, error.strerror)
        )


@contextlib.contextmanager
def alone(path=LOCK, wait_s=LOCK_WAIT_S):
    """Wait until no other run has the lock, at most wait_s seconds of the monotonic clock."""
    handle = _open(path)
    try:
        deadline = time.monotonic() + wait_s
        while not _locked(handle):
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
                raise Unlockable(
                    "Another run of this module, process {0}, did not end within {1} s. Wait for "
                    "it or end it, then run this again.".format(holder or "unknown", wait_s)
                )
            time.sleep(POLL_S)
        os.ftruncate(handle, 0)
        os.pwrite(handle, "{0}\n".format(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(handle)


def _locked(handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError) as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True
