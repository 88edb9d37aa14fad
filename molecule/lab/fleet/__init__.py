# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: virtual machines with emulated CIPU clock functions."""

from .control import Control, ControlError
from .errors import LabError, MissingError, TimeoutExpiredError, UsageError
from .lab import Lab
from .machine import Function, Machine, Spec, functions_in
from .node import Node

__all__ = [
    "Control",
    "ControlError",
    "Function",
    "Lab",
    "LabError",
    "Machine",
    "MissingError",
    "Node",
    "Spec",
    "TimeoutExpiredError",
    "UsageError",
    "functions_in",
]
