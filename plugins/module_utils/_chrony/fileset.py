# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files that are changed together and restored together."""

import os
import stat

from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable, read, write


class FileSet:
    """Files by path. A wanted file is (content, mode of a new file), or None for no file."""

    def __init__(self, module, actions):
        self.module = module
        self.actions = actions
        self.before = {}
        self.wanted = {}

    read = staticmethod(read)

    @staticmethod
    def differs(path, wanted):
        return read(path) != (wanted and wanted[0])

    def differ(self, wanted):
        return any(self.differs(path, value) for path, value in wanted.items())

    @staticmethod
    def snapshot(paths):
        """Content and mode of each file that exists."""
        former = {}
        for path in paths:
            content = read(path)
            former[path] = content if content is None else (content, mode(path))
        return former

    def apply(self, wanted):
        """Write and remove files. Returns whether any differed."""
        self.before = {path: read(path) for path in wanted}
        self.wanted = wanted
        differing = [path for path in sorted(wanted) if self.differs(path, wanted[path])]
        for path in differing:
            refuse_irregular(path)
        for path in differing:
            verb = "remove" if wanted[path] is None else "write"
            self.actions.append("{0} {1}".format(verb, path))
            if not self.module.check_mode:
                self.put(path, wanted[path])
        return bool(differing)

    def put(self, path, wanted):
        if wanted is None:
            remove(path)
            return
        write(self.module, path, wanted[0], wanted[1] if mode(path) is None else mode(path))

    def restore(self, former):
        for path, value in sorted(former.items()):
            if self.differs(path, value):
                self.put(path, value)
            if value is not None:
                os.chmod(path, value[1])

    def changes(self):
        """Path, content before and after, of each file that was or would be changed."""
        for path, value in sorted(self.wanted.items()):
            after = value and value[0] if self.module.check_mode else read(path)
            if self.before[path] != after:
                yield path, self.before[path], after

    def remove_quietly(self, path):
        """Remove a file of the running system, which is created again when needed."""
        if not self.module.check_mode and os.path.lexists(path):
            os.unlink(path)


def mode(path):
    """Permission bits of a file, or None where there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None


def refuse_irregular(path):
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return
    if not regular:
        raise Unwritable("{0} is not a regular file, so it is not replaced".format(path))


def remove(path):
    """Remove a file, and its folder if this module created it and it is empty now."""
    folder = os.path.dirname(path)
    try:
        os.unlink(path)
        if folder.endswith((".service.d", "/cipu-clock")) and not os.listdir(folder):
            os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError as reason:
        raise Unwritable("cannot remove {0}: {1}".format(path, reason.strerror or reason))
