# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of progress while a task of one host takes long."""

from __future__ import annotations

import threading
import time
from typing import Any

from ansible.plugins.action.normal import ActionModule as Normal
from ansible.utils.display import Display
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import shown

FIRST_S = 20.0
EVERY_S = 30.0
LINE_LIMIT = 300

display = Display()


class Progress:
    """Prints a line after FIRST_S and then each EVERY_S, until the block ends.

    The lines come from a thread of the worker process on the controller. The host runs one module
    as without them, so they cost no connection. A task that is done sooner prints nothing.
    """

    def __init__(self, host: str, what: str, limit_s: float = 0) -> None:
        self.host = host
        # What runs, as "building X", and the seconds after which it ends anyway; 0: no limit.
        self.what = what
        self.limit_s = limit_s
        # What the task waits for now, or an empty string.
        self.status = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Progress:
        self._began_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def line(self, elapsed_s: float) -> str:
        limit = f" of at most {self.limit_s:.0f}" if self.limit_s else ""
        status = f": {self.status}" if self.status else ""
        line = f"... {self.host}: {self.what}, {elapsed_s:.0f}{limit} s{status}"
        return shown(line, LINE_LIMIT)

    def _report(self) -> None:
        pause_s = FIRST_S
        while not self._ended.wait(pause_s):
            display.display(self.line(time.monotonic() - self._began_s))
            pause_s = EVERY_S


class ModuleWithProgress(Normal):
    """Runs the module of the same name and prints lines of progress."""

    def what(self) -> str:
        """What the module does, for a line of progress."""
        raise NotImplementedError

    def limit_s(self) -> float:
        """Seconds after which the module ends in any case; 0: no limit."""
        return 0

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        with Progress(
            str((task_vars or {}).get("inventory_hostname")), self.what(), self.limit_s()
        ):
            return super().run(tmp, task_vars)
