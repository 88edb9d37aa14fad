# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a process: wall time, CPU time with all its children, peak memory."""

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    status: int
    wall_s: float
    cpu_s: float
    # Of the largest process, which is ansible-playbook itself or a worker that it has forked.
    peak_kib: int


def measure(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> Cost:
    began_s = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        process.returncode,
        time.monotonic() - began_s,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss,
    )
