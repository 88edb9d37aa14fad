# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests a changed configuration with `chronyd -p` before any file is changed."""

import os
import re
import shutil
import tempfile

from ansible_collections.cipu.clock.plugins.module_utils._chrony import chronyc
from ansible_collections.cipu.clock.plugins.module_utils._chrony.layout import Trial, lines_of

TIMEOUT_S = 20
UNCHANGED = "Nothing was changed and the daemon was not touched."


class Refused(Exception):
    """chronyd would not start with the configuration, or would misread it; the text says why."""


def failing_line(error):
    """Number and file of the line that chronyd names, or None."""
    match = re.search(r"at line (\d+) in file (\S+)", error)
    return (int(match.group(1)), match.group(2)) if match else None


class ConfigTest:
    def __init__(self, run, chronyd, version):
        self.run = run
        self.chronyd = chronyd
        self.version = version

    def test(self, layout):
        # Beside the main file, since a security profile may deny chronyd access to other folders.
        folder = tempfile.mkdtemp(prefix=".cipu-", dir=os.path.dirname(layout.main))
        try:
            os.chmod(folder, 0o755)
            trial = Trial(layout, folder, _write)
            done = self.run([self.chronyd, "-p", "-f", trial.main], TIMEOUT_S)
            if not done.ok:
                raise Refused(self.explain(done.err or done.error_line(), layout, trial))
            self.refuse_twins(done.out)
        finally:
            shutil.rmtree(folder)

    @staticmethod
    def refuse_twins(printed):
        """Two refclocks of one device would compete for it and count as two sources."""
        devices = [(r["driver"], r["device"]) for r in chronyc.parse_refclocks(printed)]
        for driver, device in devices:
            if devices.count((driver, device)) > 1:
                raise Refused(
                    "The configuration would contain two refclocks of {0}; remove the other one "
                    "from chrony's files. {1}".format(device, UNCHANGED)
                )

    def explain(self, error, layout, trial):
        """Which option of which line of which file this chronyd refuses."""
        last = error.strip().splitlines()[-1] if error.strip() else "no reason given"
        last = re.sub(r"^\S+Z ", "", last)
        place = failing_line(error)
        if not place:
            return "chrony {0} refuses the configuration: {1}. {2}".format(
                self.version, self.original(last, trial), UNCHANGED
            )
        path, number = trial.origin(place[1], place[0])
        lines = lines_of(layout.content(path))
        line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        option = self.refused_option(line)
        what = "the option {0} in '{1}'".format(option, line) if option else "'{0}'".format(line)
        return "chrony {0} refuses {1} (line {2} of {3}). {4}".format(
            self.version, what, number, path, UNCHANGED
        )

    @staticmethod
    def original(text, trial):
        for copied, (path, _numbers) in trial.origins.items():
            text = text.replace(copied, path)
        return text

    def refused_option(self, line):
        """The first option of a refclock line that is refused: it follows the longest good part."""
        words = line.split()
        if len(words) < 4 or words[0].lower() != "refclock":
            return None
        good = 3
        for end in range(3, len(words)):
            trial = [self.chronyd, "-p", "-f", os.devnull, " ".join(words[:end])]
            if self.run(trial, TIMEOUT_S).ok:
                good = end
        return words[good]


def _write(path, content):
    with open(path, "wb") as stream:
        stream.write(content)
    os.chmod(path, 0o644)
