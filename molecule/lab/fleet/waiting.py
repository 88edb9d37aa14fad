# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a condition, with a timeout, until it is met or the wait is cancelled."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .errors import LabError, TimeoutExpiredError

Answer = TypeVar("Answer")

PACE = 0.3


class CancelledError(LabError):
    """The wait was cancelled because something else failed."""


def until(
    condition: Callable[[], Answer | None],
    seconds: float,
    what: str,
    cancelled: threading.Event | None = None,
    pace: float = PACE,
) -> Answer:
    """Call `condition` until it returns neither None nor False, and return its value."""
    cancelled = cancelled or threading.Event()
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer is not None and answer is not False:
            return answer
        if cancelled.is_set():
            raise CancelledError(f"Stopped waiting: {what}.")
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutExpiredError(f"{what}: not within {seconds:.0f} s.")
        cancelled.wait(min(pace, left))
