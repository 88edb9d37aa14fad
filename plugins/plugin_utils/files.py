# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes files on the controller."""

from __future__ import annotations

import os
import stat
import tempfile


class WriteError(Exception):
    """A file cannot be written; the text says why. The former file is unchanged."""


def replace(path: str, text: str) -> None:
    """Replace a regular file, or create one, in one step; mode 0644, or the former one."""
    trial = None
    try:
        mode = 0o644
        if os.path.lexists(path):
            former = os.lstat(path)
            if not stat.S_ISREG(former.st_mode):
                raise WriteError(f"cannot write {path}: it is not a regular file")
            mode = stat.S_IMODE(former.st_mode)
        descriptor, trial = tempfile.mkstemp(prefix=".cipu-clock-", dir=os.path.dirname(path))
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), mode)
        os.replace(trial, path)
        trial = None
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if trial:
            os.unlink(trial)
