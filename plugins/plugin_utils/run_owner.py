# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifies a run of ansible-playbook, and determines whether one on this controller has ended."""

import getpass
import multiprocessing
import os
import re
import socket
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
_ZOMBIE = -1


def describe(playbook):
    """The run that this process belongs to. All tasks of a run have the same id."""
    # ansible-playbook runs each task in a process of its own.
    parent = multiprocessing.parent_process()
    pid = os.getpid() if parent is None else parent.pid
    return {
        "id": "{0} {1} {2}".format(_system() or socket.gethostname(), pid, _started(pid) or 0),
        "playbook": playbook,
        "controller": socket.gethostname(),
        "user": _user(),
        "pid": str(pid),
    }


def has_ended(owner_id):
    """Whether a run has ended for certain: only if it was in this boot and this PID namespace."""
    found = re.fullmatch(r"(\S+) ([0-9]{1,9}) ([0-9]{1,18})", owner_id)
    if found is None or found[1] != _system():
        return False
    pid = int(found[2])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # Another user's process, which hidepid may hide from /proc.
        pass
    started = _started(pid)
    return started is not None and started != int(found[3])


def _system():
    """This boot of this machine and this PID namespace; empty where there is no /proc."""
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
        return "{0}/{1}".format(boot, PID_NAMESPACE.stat().st_ino)
    except OSError:
        return ""


def _started(pid):
    """Start of a process in ticks since boot; None if it cannot be read."""
    try:
        text = Path("/proc/{0}/stat".format(pid)).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name of the command is in brackets and may contain brackets.
    fields = text.rpartition(")")[2].split()
    return _ZOMBIE if fields[0] in ("Z", "X") else int(fields[19])


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
