# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files chronyd reads, and a copy of its configuration with some files changed for a trial.

Three directives of chrony read further files: `include PATTERN`, `confdir FOLDER...` (*.conf) and
`sourcedir FOLDER...` (*.sources, time sources only). They may be nested. A comment takes a whole
line.
"""

import fnmatch
import glob
import os

COMMENT = ("!", ";", "#", "%")
FOLDERS_LIMIT = 10
LEVELS_LIMIT = 10
# A drop-in there would be lost at the next boot or belong to a package.
VOLATILE = ("/run/", "/var/run/", "/usr/", "/lib/", "/tmp/")
MARK = "# The next line was added by cipu.clock.chrony_refclock"


def directive(line):
    """Name in lower case and arguments of a line; an empty name for a comment or an empty line."""
    words = line.split()
    if not words or words[0].startswith(COMMENT):
        return "", []
    return words[0].lower(), words[1:]


def lines_of(content):
    return (content or b"").decode("utf-8", "replace").splitlines()


class Layout:
    """A configuration as chronyd reads it. `changes`: path -> content, None for a removed file."""

    def __init__(self, main, changes=None):
        self.main = main
        self.changes = {os.path.normpath(path): text for path, text in (changes or {}).items()}

    def content(self, path):
        if os.path.normpath(path) in self.changes:
            return self.changes[os.path.normpath(path)]
        try:
            with open(path, "rb") as stream:
                return stream.read()
        except (IOError, OSError):
            return None

    def files(self, name, arguments):
        """Files that a directive reads, in chronyd's order; None if it is not such a directive."""
        if name == "include" and len(arguments) == 1:
            return self._included(arguments[0])
        if name == "confdir" and 0 < len(arguments) <= FOLDERS_LIMIT:
            return self._in_folders(arguments)
        return None

    def _included(self, pattern):
        found = {path for path in glob.glob(pattern) if self._there(path)}
        found |= {p for p, text in self.changes.items() if text is not None and matches(p, pattern)}
        return sorted(found)

    def _there(self, path):
        return self.changes.get(os.path.normpath(path), b"") is not None

    def _in_folders(self, folders):
        chosen = {}
        for folder in folders:
            pattern = os.path.join(glob.escape(folder), "*.conf")
            for path in self._included(pattern):
                # Of files with the same name only the one in the first folder is read.
                chosen.setdefault(os.path.basename(path), path)
        return [chosen[name] for name in sorted(chosen)]

    def walk(self, path=None, level=0):
        """Every file that is read, as often as it is read, with its directives."""
        path = path or self.main
        found = [directive(line) for line in lines_of(self.content(path))]
        yield path, found
        for name, arguments in found:
            if level < LEVELS_LIMIT:
                for read in self.files(name, arguments) or []:
                    yield from self.walk(read, level + 1)

    def times_read(self, path):
        wanted = os.path.normpath(path)
        return sum(os.path.normpath(read) == wanted for read, _found in self.walk())

    def servers(self):
        """Names of all time sources in the files that are read, except those of sourcedir."""
        return {
            arguments[0]
            for _path, found in self.walk()
            for name, arguments in found
            if name in {"server", "pool", "peer"} and arguments
        }

    def dropin(self, preferred, volatile=VOLATILE):
        """Path of a drop-in that chronyd would read exactly once, or None."""
        candidates = [preferred]
        for _path, found in self.walk():
            for name, arguments in found:
                folders = arguments if name == "confdir" else []
                if name == "include" and len(arguments) == 1:
                    folders = [os.path.dirname(arguments[0])]
                candidates += [os.path.join(f, os.path.basename(preferred)) for f in folders]
        for path in candidates:
            if path.startswith("/") and not (path.startswith(volatile) and path != preferred):
                changes = dict(self.changes)
                changes[path] = b""
                if Layout(self.main, changes).times_read(path) == 1:
                    return path
        return None


def matches(path, pattern):
    """Whether glob would find the path with the pattern. Components are compared one by one."""
    parts, patterns = os.path.normpath(path).split("/"), os.path.normpath(pattern).split("/")
    if len(parts) != len(patterns):
        return False
    return all(
        fnmatch.fnmatchcase(part, wanted) and (not part.startswith(".") or wanted.startswith("."))
        for part, wanted in zip(parts, patterns)
    )


def with_confdir(main, folder):
    """The main file's content with one marked `confdir` line, at the top so that the rest wins."""
    added = "{0}\nconfdir {1}\n".format(MARK, folder)
    return added.encode("utf-8") + (main or b"")


def without_confdir(main):
    """The main file's content without the marked line."""
    kept, skip = [], False
    for line in main.splitlines(True):
        text = line.decode("utf-8", "replace").strip()
        if skip and directive(text)[0] == "confdir":
            skip = False
            continue
        skip = text == MARK
        if not skip:
            kept.append(line)
    return b"".join(kept)


class Trial:
    """A copy of the configuration in one folder, which `chronyd -p` can read."""

    def __init__(self, layout, folder, write):
        self.layout = layout
        self.folder = folder
        self.write = write
        # Path of a copy -> path of the original and the number of each copied line there.
        self.origins = {}
        self.main = self.copy(layout.main, 0)

    def copy(self, path, level):
        copied = os.path.join(self.folder, "{0}.conf".format(len(self.origins)))
        self.origins[copied] = (path, [])
        text, numbers = [], []
        for number, line in enumerate(lines_of(self.layout.content(path)), 1):
            # A line that reads no file is not changed. It may be an error, which chronyd reports.
            read = self.layout.files(*directive(line)) if level < LEVELS_LIMIT else None
            if directive(line)[0] == "confdir" and read == []:
                continue
            for new in [self.reference(p, level) for p in read or []] or [line]:
                text.append(new)
                numbers.append(number)
        self.origins[copied] = (path, numbers)
        self.write(copied, ("\n".join(text) + "\n").encode("utf-8"))
        return copied

    def reference(self, path, level):
        if os.path.normpath(path) not in self.layout.changes and not os.path.isfile(path):
            return "include {0}".format(path)
        return "include {0}".format(self.copy(path, level + 1))

    def origin(self, path, number):
        """Original file and line number of a line of a copy."""
        original, numbers = self.origins.get(path, (path, []))
        return original, numbers[number - 1] if 0 < number <= len(numbers) else number
