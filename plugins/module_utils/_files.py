# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files: what is half written never stands under its name, nor beside it."""

import os
import tempfile

from ansible.module_utils.common.text.converters import to_text


class Unwritable(Exception):
    """A file cannot be written; the text says which, why, and that it is as it was."""


def read(path):
    """The file's bytes, None where there is none or it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (IOError, OSError):
        return None


def write(module, path, content, bits):
    """Have the file with this content and these permission bits, and its folder."""
    folder = os.path.dirname(path)
    temporary = None
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o755)
        handle, temporary = tempfile.mkstemp(prefix=".cipu-", dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        module.atomic_move(temporary, path)
        # The move gives a new file the default mode, and leaves another the one it had.
        os.chmod(path, bits)
    except (IOError, OSError) as reason:
        raise Unwritable(
            "cannot write {0}: {1}; the file is as it was".format(path, reason.strerror or reason)
        )
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def difference(path, before, after):
    """One entry of a module's diff; None stands for no file."""
    return {
        "before_header": path,
        "after_header": path,
        "before": to_text(before or b"", errors="replace"),
        "after": to_text(after or b"", errors="replace"),
    }
