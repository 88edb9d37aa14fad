# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and replaces whole regular files. A file is never written in part."""

import os
import stat
import tempfile


class Unwritable(Exception):
    """A file cannot be written; the text says which, why, and that it was not changed."""


def read(path):
    """The file's bytes; None where there is none, or where it is not a readable regular file."""
    try:
        # A FIFO or a device could block.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (IOError, OSError):
        return None
    try:
        with os.fdopen(handle, "rb") as stream:
            return stream.read() if stat.S_ISREG(os.fstat(handle).st_mode) else None
    except (IOError, OSError):
        return None


def kind(path):
    """Type of the file at a path: "file", "link", "folder", "special", or None."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "link"
    return "folder" if stat.S_ISDIR(mode) else "special"


NAMES = {"link": "a symbolic link", "folder": "a folder", "special": "a device, FIFO or socket"}


def refuse_irregular(path):
    """Raise Unwritable if the path exists and is not a regular file."""
    found = kind(path)
    if found in NAMES:
        raise Unwritable(
            "{0} is {1}, not a regular file; it was not changed, remove it first".format(
                path, NAMES[found]
            )
        )


def write(module, path, content, bits):
    """Replace a file, or create it with its folder, with this content and permission bits."""
    folder = os.path.dirname(path)
    temporary = None
    refuse_irregular(path)
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o755)
        handle, temporary = tempfile.mkstemp(prefix=".cipu-", dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        module.atomic_move(temporary, path)
        # atomic_move gives a new file the default mode, and keeps the mode of an existing one.
        os.chmod(path, bits)
    except (IOError, OSError) as reason:
        raise Unwritable(
            "cannot write {0}: {1}; it was not changed".format(path, reason.strerror or reason)
        )
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def replace(path, text):
    """Replace a regular file in one step, or create it with mode 0644. Its mode is kept."""
    temporary = None
    refuse_irregular(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise Unwritable("cannot write {0}: there is no folder {1}; create it".format(path, folder))
    try:
        bits = stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else 0o644
        handle, temporary = tempfile.mkstemp(prefix=".cipu-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), bits)
        os.replace(temporary, path)
        temporary = None
    except OSError as reason:
        raise Unwritable("cannot write {0}: {1}".format(path, reason.strerror or reason))
    finally:
        if temporary:
            os.unlink(temporary)


def text(content):
    """The bytes as text, or None: a module's result contains text only."""
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
