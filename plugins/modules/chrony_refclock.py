#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: chrony_refclock
short_description: Hold a drop-in of chrony that is known to work
version_added: 0.1.0
description:
  - Writes one drop-in file for chronyd and one for its systemd unit. The administrator's files are
    left alone.
  - The whole configuration that would result is tested with C(chronyd -p) first. If chronyd refuses
    it, nothing is changed, the daemon is not touched, and the message names option and version.
  - After a change chronyd is restarted. If it does not run, or has not selected the source
    O(selects) in time, the former files are put back and chronyd is restarted with them.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  state:
    description: V(absent) removes both files, and the unit's drop-in folder where that empties it.
    type: str
    choices: [present, absent]
    default: present
  content:
    description: Text of the drop-in. Needed unless O(state=absent).
    type: str
  path:
    description: The drop-in file. Its folder must be one that the main file's C(confdir) names.
    type: path
    default: /etc/chrony/conf.d/cipu.conf
  config:
    description: chronyd's main file. It is only read.
    type: path
    default: /etc/chrony/chrony.conf
  service:
    description: The systemd unit of chronyd, without suffix.
    type: str
    default: chrony
  unit_content:
    description: Text of C(cipu.conf) in the drop-in folder of the unit. Empty for none.
    type: str
    default: ''
  selects:
    description:
      - Name of the source that chronyd must select, as C(chronyc sources) shows it.
      - Empty for any source or none, so that a running daemon is enough.
    type: str
    default: ''
  timeout_s:
    description: How long chronyd may take to select O(selects), in seconds.
    type: int
    default: 90
attributes:
  check_mode:
    description: Says what would change. The configuration is tested all the same.
    support: full
  diff_mode:
    description: Shows both files before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Have chronyd take its time from the clock
  cipu.clock.chrony_refclock:
    content: |
      refclock PHC /dev/ptp_cipu refid CIPU poll 0 dpoll -1 delay 0.000010 prefer
    selects: CIPU

- name: Take it away again
  cipu.clock.chrony_refclock:
    state: absent
"""

RETURN = r"""
actions:
  description: Commands run and files written, or that would be.
  returned: always
  type: list
  elements: str
  sample: ['write /etc/chrony/conf.d/cipu.conf', 'systemctl restart chrony']
version:
  description: Version of chronyd, none where it is not installed.
  returned: always
  type: str
  sample: '4.3'
selected:
  description: Name of the source that chronyd has selected, none if it has none.
  returned: always
  type: str
  sample: CIPU
waited_s:
  description: Seconds until the source was selected.
  returned: always
  type: float
former:
  description: Texts of the drop-in and of the unit's before the run, none where there was no file.
  returned: always
  type: dict
  sample: {content: null, unit_content: null}
rolled_back:
  description: Whether the former files were put back.
  returned: always
  type: bool
"""

import os
import re
import shutil
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible_collections.cipu.clock.plugins.module_utils._host.files import (
    Unwritable,
    difference,
    read,
    write,
)

SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "content": {"type": "str"},
    "path": {"type": "path", "default": "/etc/chrony/conf.d/cipu.conf"},
    "config": {"type": "path", "default": "/etc/chrony/chrony.conf"},
    "service": {"type": "str", "default": "chrony"},
    "unit_content": {"type": "str", "default": ""},
    "selects": {"type": "str", "default": ""},
    "timeout_s": {"type": "int", "default": 90},
}
CONFDIR = re.compile(r"^(\s*confdir\s+)(.*)$", re.MULTILINE | re.IGNORECASE)


class Unusable(Exception):
    """The drop-in cannot be had; the text says why."""


def with_first(config, folder, before):
    """The main file's text with `before` searched ahead of `folder`, None if it does not name that.

    chronyd takes a file of the same name from the first of a confdir's folders only.
    """
    found = []

    def put(match):
        folders = match.group(2).split()
        if os.path.normpath(folder) not in [os.path.normpath(name) for name in folders]:
            return match.group(0)
        found.append(folder)
        return "{0}{1} {2}".format(match.group(1), before, match.group(2))

    text = CONFDIR.sub(put, config)
    return text if found else None


def parse_version(text):
    match = re.search(r"version (\S+)", text)
    return match.group(1) if match else None


def failing_line(error):
    """Number and file of the line chronyd names, or None."""
    match = re.search(r"at line (\d+) in file (\S+)", error)
    return (int(match.group(1)), match.group(2)) if match else None


def selected_source(text):
    """Name of the selected source in the output of chronyc -c sources."""
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[1] == "*":
            return fields[2]
    return None


class Chrony:
    def __init__(self, module):
        self.module = module
        self.params = module.params
        self.actions = []
        self.rolled_back = False
        self.waited_s = 0.0
        self.unit = "/etc/systemd/system/{0}.service.d/cipu.conf".format(self.params["service"])
        self.daemon = module.get_bin_path("chronyd", opt_dirs=["/usr/sbin", "/sbin"])
        self.chronyc = module.get_bin_path("chronyc")

    # --- what is ---
    def version(self):
        if not self.daemon:
            return None
        return parse_version(self.module.run_command([self.daemon, "-v"])[1])

    def selected(self):
        if not self.chronyc:
            return None
        code, out, _err = self.module.run_command([self.chronyc, "-n", "-c", "sources"])
        return selected_source(out) if code == 0 else None

    def running(self):
        return (
            self.module.run_command(["systemctl", "is-active", "-q", self.params["service"]])[0]
            == 0
        )

    # --- the test before anything is changed ---
    def test(self, wanted):
        config = read(self.params["config"])
        if config is None:
            raise Unusable("{0} is missing: is chrony installed?".format(self.params["config"]))
        folder = os.path.dirname(self.params["path"])
        # Beside the main file, since a security profile may keep chronyd from other folders.
        trial = tempfile.mkdtemp(prefix=".cipu-", dir=os.path.dirname(self.params["config"]))
        try:
            text = with_first(to_text(config), folder, trial)
            if text is None:
                raise Unusable(
                    "{0} has no line 'confdir {1}', so the drop-in would not be read; "
                    "add it".format(self.params["config"], folder)
                )
            os.chmod(trial, 0o755)
            main, dropin = (
                os.path.join(trial, "main"),
                os.path.join(trial, os.path.basename(self.params["path"])),
            )
            for path, content in ((main, to_bytes(text)), (dropin, wanted)):
                write(self.module, path, content, 0o644)
            code, _out, err = self.module.run_command([self.daemon, "-p", "-f", main])
            if code:
                raise Unusable(self.explain(err, main, dropin))
        finally:
            shutil.rmtree(trial)

    def explain(self, error, main, dropin):
        """One sentence: which option of which line of which file this chronyd does not take."""
        said = error.strip().splitlines()[-1] if error.strip() else "no reason given"
        said = re.sub(r"^\S+Z ", "", said)
        place = failing_line(error)
        head = "chrony {0} does not take".format(self.version())
        tail = "nothing was changed and the daemon was left alone"
        if not place:
            return "{0} the configuration: {1}; {2}".format(head, said, tail)
        number, path = place
        lines = to_text(read(path) or b"").splitlines()
        line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        shown = {main: self.params["config"], dropin: self.params["path"]}.get(path, path)
        option = self.refused_option(line)
        what = "the option {0} in '{1}'".format(option, line) if option else "'{0}'".format(line)
        return "{0} {1} (line {2} of {3}); {4}".format(head, what, number, shown, tail)

    def refused_option(self, line):
        """The first option of a refclock line that is refused: it follows the longest good part."""
        words = line.split()
        if len(words) < 4 or words[0] != "refclock":
            return None
        good = 3
        for end in range(3, len(words)):
            trial = [self.daemon, "-p", "-f", os.devnull, " ".join(words[:end])]
            if self.module.run_command(trial)[0] == 0:
                good = end
        return words[good]

    # --- what is done ---
    def command(self, *words):
        self.actions.append(" ".join(words))
        if self.module.check_mode:
            return 0, "", ""
        return self.module.run_command(list(words))

    def put(self, path, content):
        """Have the file so; none removes it. Says whether anything changed."""
        if read(path) == content:
            return False
        self.actions.append("{0} {1}".format("remove" if content is None else "write", path))
        if self.module.check_mode:
            return True
        if content is None:
            folder = os.path.dirname(path)
            os.unlink(path)
            if folder.endswith(".service.d") and not os.listdir(folder):
                os.rmdir(folder)
            return True
        write(self.module, path, content, 0o644)
        return True

    def put_all(self, dropin, unit):
        changed = self.put(self.params["path"], dropin)
        if self.put(self.unit, unit):
            self.command("systemctl", "daemon-reload")
            changed = True
        return changed

    def restart(self):
        # A unit that failed too often in a row is not started any more until that count is cleared.
        if not self.module.check_mode:
            self.module.run_command(["systemctl", "reset-failed", self.params["service"]])
        return self.command("systemctl", "restart", self.params["service"])[0] == 0

    def settle(self):
        """Wait until chronyd runs and has selected what it must. None, or why not."""
        if self.module.check_mode:
            return None
        if not self.running():
            return "chronyd does not run: {0}".format(self.journal())
        wanted, start = self.params["selects"], time.time()
        if not wanted:
            return None
        selected = self.selected()
        while selected != wanted and time.time() - start < self.params["timeout_s"]:
            time.sleep(0.5)
            selected = self.selected()
        self.waited_s = round(time.time() - start, 1)
        if selected == wanted:
            return None
        if not self.running():
            return "chronyd stopped: {0}".format(self.journal())
        return "chronyd had not selected {0} after {1} s, but {2}".format(
            wanted, self.params["timeout_s"], selected or "nothing"
        )

    def journal(self):
        unit = self.params["service"]
        code, out, _err = self.module.run_command(
            ["journalctl", "-u", unit, "-t", "chronyd", "-n", "3", "-o", "cat"]
        )
        return (
            " / ".join(out.split("\n")).strip(" /")
            if code == 0 and out.strip()
            else "no reason in the journal"
        )

    def present(self):
        if self.params["content"] is None:
            raise Unusable("content is needed unless state is absent")
        wanted, unit = (
            to_bytes(self.params["content"]),
            to_bytes(self.params["unit_content"]) or None,
        )
        if not self.daemon:
            if not self.module.check_mode:
                raise Unusable("chronyd is not installed")
            self.put_all(
                wanted, unit
            )  # a fresh host in check mode: the package would be there by now
            return
        former = read(self.params["path"]), read(self.unit)
        if former != (wanted, unit):
            self.test(wanted)
        try:
            changed = self.put_all(wanted, unit)
        except Unwritable:
            # The one may have been written where the other could not be.
            self.put_all(*former)
            raise
        if self.module.run_command(["systemctl", "is-enabled", "-q", self.params["service"]])[0]:
            self.command("systemctl", "enable", self.params["service"])
        if changed or not self.running():
            self.restart()
        problem = self.settle()
        if problem and changed:
            self.put_all(*former)
            self.restart()
            self.rolled_back = True
            problem += "; the former drop-in was put back"
        if problem:
            raise Unusable(problem)

    def absent(self):
        if self.put_all(None, None) and self.daemon:
            self.restart()


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    module.run_command_environ_update = {"LC_ALL": "C"}
    work = Chrony(module)
    dropin, unit = module.params["path"], work.unit
    before = {path: read(path) for path in (dropin, unit)}
    failure = None
    try:
        if module.params["state"] == "present":
            work.present()
        else:
            work.absent()
    except (Unusable, Unwritable, OSError) as reason:
        failure = str(reason)
    after = {path: read(path) for path in before}
    if module.check_mode and not failure:
        wanted = module.params["state"] == "present"
        after[dropin] = to_bytes(module.params["content"]) if wanted else None
        after[unit] = to_bytes(module.params["unit_content"]) if wanted else None
    result = {
        "changed": bool(work.actions),
        "actions": work.actions,
        "version": work.version(),
        "selected": work.selected(),
        "former": {
            "content": before[dropin] and to_text(before[dropin]),
            "unit_content": before[unit] and to_text(before[unit]),
        },
        "waited_s": work.waited_s,
        "rolled_back": work.rolled_back,
        "diff": [
            difference(path, before[path], after[path])
            for path in (dropin, unit)
            if before[path] != after[path]
        ],
    }
    if failure:
        module.fail_json(msg="chrony_refclock: {0}".format(failure), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
