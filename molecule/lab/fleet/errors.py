# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the lab: one sentence each, and what to do next if that is known."""


class LabError(Exception):
    """An error for the user: one sentence, and optionally advice."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class MissingError(LabError):
    """A program is missing on the host."""


class TimeoutExpiredError(LabError):
    """A condition was not met in time."""


class UsageError(LabError):
    """The command line, or an argument of the API, is wrong."""
