# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the lab, said in a sentence, with what to do about it where that is known."""


class LabError(Exception):
    """Something a person has to know: one sentence, and perhaps what helps."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class MissingError(LabError):
    """A program of the host is not there."""


class TimeoutExpiredError(LabError):
    """A condition did not come true within its bound."""


class UsageError(LabError):
    """The command line, or an argument of the API, cannot be meant."""
