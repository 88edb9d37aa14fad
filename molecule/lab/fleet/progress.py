# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress messages: one line per event, on standard error, with the seconds since the start."""

import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]

_START = time.monotonic()


def say(message: str) -> None:
    """Print a line of progress."""
    print(f"lab {time.monotonic() - _START:6.1f}s  {message}", file=sys.stderr, flush=True)


def silent(_message: str) -> None:
    """Print nothing, for tests."""
