# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a host's files below a root, bounded. What is missing is None or empty, never an error."""

import os
import stat

READ_LIMIT = 64 * 1024
LIST_LIMIT = 4096


class Tree:
    def __init__(self, root="/"):
        self.root = root

    def path(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def raw(self, path, limit=READ_LIMIT):
        """The file's first bytes, or None. Only plain files: a fifo or device could block."""
        try:
            fd = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            chunks = []
            left = limit
            while left > 0:
                chunk = os.read(fd, left)
                if not chunk:
                    break
                chunks.append(chunk)
                left -= len(chunk)
            return b"".join(chunks)
        except OSError:
            return None
        finally:
            os.close(fd)

    def text(self, path, limit=READ_LIMIT):
        data = self.raw(path, limit)
        return None if data is None else data.decode("utf-8", "replace")

    def line(self, path, limit=256):
        """The file's first line without its end; None where there is no such file."""
        text = self.text(path, limit)
        if text is None:
            return None
        lines = text.splitlines()
        return lines[0].strip() if lines else ""

    def names(self, path):
        try:
            return sorted(os.listdir(self.path(path)))[:LIST_LIMIT]
        except OSError:
            return []

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def is_dir(self, path):
        return os.path.isdir(self.path(path))

    def is_file(self, path):
        return os.path.isfile(self.path(path))

    def link(self, path):
        """Target of a symbolic link, as written; None if the path is not a link."""
        try:
            return os.readlink(self.path(path))
        except OSError:
            return None

    def inode(self, path):
        try:
            return os.stat(self.path(path)).st_ino
        except OSError:
            return None
