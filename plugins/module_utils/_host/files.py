# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files: what is half written never stands under its name, nor beside it."""

import os
import tempfile


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


def text(content):
    """The text that these bytes are, or None: a module's result carries texts only."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def difference(path, before, after):
    """One entry of a module's diff; None stands for no file."""
    return {
        "before_header": path,
        "after_header": path,
        "before": _shown(before),
        "after": _shown(after),
    }


def _shown(content):
    if content is None:
        return ""
    shown = text(content)
    return "({0} bytes that are no text)\n".format(len(content)) if shown is None else shown
