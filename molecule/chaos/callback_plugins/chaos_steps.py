# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the steps of a playbook, and runs a command right before one of them."""

import json
import os
import subprocess
import time
from collections import Counter

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: chaos_steps
type: notification
short_description: Record the steps of a playbook, and run a command before one of them
description:
  - Appends a JSON object for each start and each result of a task to the file E(CHAOS_STEPS).
  - Runs the command E(CHAOS_COMMAND), a JSON list, before the step E(CHAOS_AT) starts on any host.
  - A step is the name of a task, C(#), and how often a task of that name has started in this run.
requirements:
  - enabled in configuration
"""


class CallbackModule(CallbackBase):
    """Identifies tasks by name and occurrence, which are the same in every run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "chaos_steps"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._path = os.environ.get("CHAOS_STEPS")
        self._at = os.environ.get("CHAOS_AT")
        self._command = json.loads(os.environ.get("CHAOS_COMMAND", "[]"))
        self._seen = Counter()
        self._steps = {}

    def _write(self, **entry):
        if self._path:
            entry["at_s"] = round(time.monotonic(), 2)
            with open(self._path, "a", encoding="utf-8") as steps:  # noqa: PTH123
                steps.write(json.dumps(entry) + "\n")

    def _start(self, task):
        name = task.get_name().strip()
        self._seen[name] += 1
        step = f"{name}#{self._seen[name]}"
        self._steps[task._uuid] = step
        self._write(event="start", step=step, action=task.action)
        if step == self._at and self._command:
            done = subprocess.run(self._command, capture_output=True, text=True, check=False)
            self._write(event="command", step=step, status=done.returncode, error=done.stderr)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._start(task)

    def v2_playbook_on_handler_task_start(self, task):
        self._start(task)

    def v2_runner_on_ok(self, result):
        task = result._task
        self._write(
            event="ok",
            step=self._steps.get(task._uuid, task.get_name()),
            action=task.action,
            changed=bool(result._result.get("changed", False)),
            delegated=bool(task.delegate_to),
        )
