# SPDX-License-Identifier: GPL-3.0-or-later
"""Emulated clock functions: one emulator process for each."""

import contextlib
import os
import sys
from collections.abc import Sequence

from . import paths, process
from .build import tail
from .control import Control
from .errors import LabError, TimeoutExpiredError, UsageError
from .machine import Function, functions_in
from .waiting import until

# The first is the default for faults. The second is the reference and accepts no faults.
NAMES = ("cipu0", "ref0", "cipu2", "cipu3")
PRIMARY = NAMES[0]
REFERENCE = NAMES[1]

__all__ = ["NAMES", "PRIMARY", "REFERENCE", "Function", "functions_in", "names", "start", "stop"]


def names(count: int) -> tuple[str, ...]:
    """Names of this many functions."""
    if not 0 <= count <= len(NAMES):
        raise UsageError(f"A machine can have 0 to {len(NAMES)} functions, not {count}.")
    return NAMES[:count]


def start(function: Function, *, options: Sequence[str] = (), owned: bool = False) -> Control:
    """Start the emulator of a function and return when it listens.

    With `owned` it ends with the calling process.
    """
    command = [sys.executable, "-m", "emulator", "--name", function.name]
    command += ["--socket", str(function.socket), "--control", str(function.control)]
    command += [*options, *(["--die-with-parent"] if owned else [])]
    search = [str(paths.LAB_DIR), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search))}
    log = function.socket.with_suffix(".log")
    pidfile = function.socket.with_suffix(".pid")
    for stale in (function.socket, function.control):
        stale.unlink(missing_ok=True)
    emulator = process.spawn(command, pidfile, log, environ)
    control = Control(function.control)

    def listens() -> bool:
        if not emulator.alive():
            raise LabError(f"The emulator of {function.name} ended at once.", tail(log))
        # A socket exists shortly before it accepts connections.
        with contextlib.suppress(LabError):
            return bool(control.status()["listening"])
        return False

    try:
        until(listens, 120, f"The emulator of {function.name} listens", pace=0.05)
    except BaseException as error:
        stop(function)
        if isinstance(error, TimeoutExpiredError):
            raise LabError(f"The emulator of {function.name} did not start.", tail(log)) from error
        raise
    return control


def ensure(function: Function) -> None:
    """Make sure that the emulator of a function runs and listens. Its faults and clock stay."""
    running = process.load(function.socket.with_suffix(".pid"))
    if running is not None and running.alive():
        Control(function.control).fault("return")
    else:
        start(function)


def stop(function: Function) -> None:
    """End the emulator of a function, if it runs."""
    process.stop(function.socket.with_suffix(".pid"))
    for left in (function.socket, function.control):
        left.unlink(missing_ok=True)
