#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: chrony_refclock
short_description: Add PHC refclocks to chronyd by drop-in
version_added: 0.1.0
description:
  - Writes a drop-in file for chronyd and, for O(refclocks), the files that give chronyd a refclock
    only while its device exists. Without its device chronyd runs on its NTP sources. The refclock
    returns when the device returns.
  - The administrator's files are not changed, except for one marked line if O(add_confdir=true) is
    set and the main file reads no drop-ins.
  - The resulting configuration is tested with C(chronyd -p) first. If chronyd refuses it, nothing
    is changed, the daemon is not touched, and the message names the option and chrony's version.
  - After a change chronyd is restarted. If it does not run, or does not select the source
    O(selects) in time, the former files are restored and chronyd is restarted with them.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  state:
    description: V(absent) removes all files that this module writes, and the marked line.
    type: str
    choices: [present, absent]
    default: present
  content:
    description: Content of the drop-in. Required if O(state=present).
    type: str
  refclocks:
    description:
      - Refclock lines such as C(refclock PHC /dev/ptp_cipu refid CIPU). chronyd reads each of them
        while its device exists. A refclock in O(content) is always read, and chronyd does not start
        without its device.
    type: list
    elements: str
    default: []
  former_servers:
    description:
      - Server and pool lines of the former time daemon. Those that chronyd's files do not name are
        written to C(former-servers.conf) beside the drop-in.
      - If empty, an existing file is kept. O(state=absent) keeps it, too, since chronyd uses these
        servers.
    type: list
    elements: str
    default: []
  path:
    description:
      - Path to the drop-in. If chronyd does not read files in this folder, the first folder that it
        reads is used with the same file name.
    type: path
    default: /etc/chrony/conf.d/cipu.conf
  config:
    description:
      - Path to chronyd's main file. By default the file that the running chronyd was started with
        (C(-f)), or that it would be started with.
    type: path
  add_confdir:
    description:
      - Whether to add a marked C(confdir) line for the folder of O(path) to the main file if
        chronyd reads no drop-ins.
    type: bool
    default: false
  service:
    description: Name of chronyd's systemd unit, without suffix.
    type: str
    default: chrony
  enable:
    description:
      - Whether to enable the unit if it is disabled or masked. If V(false), such a unit is an error
        and nothing is changed.
    type: bool
    default: false
  selects:
    description:
      - Name of the source that chronyd must select, as C(chronyc -N sources) shows it.
      - If empty, it is enough that chronyd runs.
    type: str
    default: ''
  timeout_s:
    description: Number of seconds to wait until chronyd selects O(selects).
    type: int
    default: 90
extends_documentation_fragment:
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    description: Returns what would change. The configuration is tested in check mode, too.
    support: full
  diff_mode:
    description: Shows each file before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: cipu.clock.time_daemon
  - module: cipu.clock.clock_facts
"""

EXAMPLES = r"""
- name: Add the CIPU clock to chronyd
  cipu.clock.chrony_refclock:
    content: |
      rtcsync
    refclocks:
      - refclock PHC /dev/ptp_cipu refid CIPU poll 0 dpoll -1 delay 0.000010 prefer
    selects: CIPU

- name: Remove the refclock from chronyd
  cipu.clock.chrony_refclock:
    state: absent
"""

RETURN = r"""
actions:
  description: Commands that were run and files that were written, or would be.
  returned: always
  type: list
  elements: str
  sample: ['write /etc/chrony/conf.d/cipu.conf', 'systemctl restart chrony']
version:
  description: Version of chronyd. V(null) if it is not installed.
  returned: always
  type: str
  sample: '4.3'
config:
  description: Path to chronyd's main file. V(null) if there is none.
  returned: always
  type: str
  sample: /etc/chrony/chrony.conf
path:
  description: Path to the drop-in.
  returned: always
  type: str
  sample: /etc/chrony/conf.d/cipu.conf
selected:
  description: Name of the source that chronyd has selected. V(null) if there is none.
  returned: always
  type: str
  sample: CIPU
waited_s:
  description: Number of seconds until the source was selected.
  returned: always
  type: float
  sample: 4.5
rolled_back:
  description: Whether the former files were restored and chronyd is in its former state.
  returned: always
  type: bool
  sample: false
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes
from ansible_collections.cipu.clock.plugins.module_utils._chrony import daemon, layout
from ansible_collections.cipu.clock.plugins.module_utils._chrony import refclock_unit as texts
from ansible_collections.cipu.clock.plugins.module_utils._chrony.configtest import (
    UNCHANGED,
    ConfigTest,
    Refused,
)
from ansible_collections.cipu.clock.plugins.module_utils._chrony.fileset import FileSet
from ansible_collections.cipu.clock.plugins.module_utils._chrony.service import Service
from ansible_collections.cipu.clock.plugins.module_utils._host import commands
from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable, difference
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "content": {"type": "str"},
    "refclocks": {"type": "list", "elements": "str", "default": []},
    "former_servers": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path", "default": "/etc/chrony/conf.d/cipu.conf"},
    "config": {"type": "path"},
    "add_confdir": {"type": "bool", "default": False},
    "service": {"type": "str", "default": "chrony"},
    "enable": {"type": "bool", "default": False},
    "selects": {"type": "str", "default": ""},
    "timeout_s": {"type": "int", "default": 90},
}
POLL_S = 0.5


class Refclock:
    """`root` is where the files of systemd, udev and the refclock list are; tests set it."""

    def __init__(self, module, run=commands.run, which=commands.which, root="/"):
        self.params = module.params
        self.check_mode = module.check_mode
        self.tree = Tree(root)
        self.actions = []
        self.files = FileSet(module, self.actions)
        self.service = Service(module.params["service"], run, which, self.actions, self.check_mode)
        self.run = run
        self.chronyd = which("chronyd")
        self.version = self.service.version(self.chronyd)
        self.config = self.params["config"] or daemon.main_file(self.tree, self.service.pid())
        self.path = self.params["path"]
        self.rolled_back = False
        self.waited_s = 0.0

    def root(self, path):
        return self.tree.path(path)

    # Files.

    def machinery(self):
        """Files in addition to the drop-in: path -> content and mode, or None for no file."""
        unit_folder = "/etc/systemd/system/{0}.service.d".format(self.params["service"])
        wanted = {
            texts.LIST: None,
            texts.SCRIPT: None,
            unit_folder + "/cipu.conf": None,
            texts.UNIT_PATH: None,
            texts.RULE: None,
        }
        if self.params["state"] == "present" and self.params["refclocks"]:
            lines = [" ".join(line.split()) for line in self.params["refclocks"]]
            wanted = {
                texts.LIST: (texts.WRITTEN_BY + "\n".join(lines) + "\n", 0o644),
                texts.SCRIPT: (texts.script(self.params["service"], self.tree.root), 0o755),
                unit_folder + "/cipu.conf": (texts.dropin(), 0o644),
                texts.UNIT_PATH: (texts.unit(), 0o644),
                texts.RULE: (texts.rule(), 0o644),
            }
        return {
            self.root(path): value and (to_bytes(value[0]), value[1])
            for path, value in wanted.items()
        }

    def dropin(self):
        text = self.params["content"]
        if self.params["refclocks"]:
            text += "confdir {0}\n".format(self.root(texts.SNIPPET_FOLDER))
        return to_bytes(text)

    def present_files(self):
        """All wanted files. Raises Refused if chronyd would not read them, or not start."""
        main = self.files.read(self.config) if self.config else None
        if main is None:
            raise Refused(
                "{0} does not exist. Install chrony, or set config to its main file.".format(
                    self.config or "chrony.conf"
                )
            )
        wanted = self.machinery()
        found = layout.Layout(self.config).dropin(self.path)
        if layout.MARK in layout.lines_of(main):
            # Without the marked line, if the administrator added one in the meantime.
            cleaned = layout.without_confdir(main)
            other = layout.Layout(self.config, {self.config: cleaned}).dropin(self.path)
            if other:
                found, wanted[self.config] = other, (cleaned, 0o644)
        if found is None:
            if not self.params["add_confdir"]:
                raise Refused(
                    "{0} reads no drop-ins, since it has no confdir or include line. Add the line "
                    "'confdir {1}' to it, or set add_confdir (role variable "
                    "cipu_chrony_add_confdir). {2}".format(self.config, self.folder(), UNCHANGED)
                )
            wanted[self.config] = (layout.with_confdir(main, self.folder()), 0o644)
        self.path = found or self.path
        wanted[self.path] = (self.dropin(), 0o644)
        self.add_former_servers(wanted)
        return wanted

    def add_former_servers(self, wanted):
        changes = {path: value and value[0] for path, value in wanted.items()}
        path = os.path.join(os.path.dirname(self.path), texts.FORMER_SERVERS)
        named = layout.Layout(self.config, dict(changes, **{path: None})).servers()
        lines = [line + " iburst" for line in self.params["former_servers"]]
        lines = [line for line in lines if line.split()[1] not in named]
        if lines:
            wanted[path] = (to_bytes(texts.FORMER_HEAD + "\n".join(lines) + "\n"), 0o644)

    def folder(self):
        return os.path.dirname(self.params["path"])

    def absent_files(self):
        wanted = self.machinery()
        main = self.files.read(self.config) if self.config else None
        wanted[self.params["path"]] = None
        if main is not None:
            found = layout.Layout(self.config, {self.params["path"]: b""}).dropin(self.path)
            self.path = found or self.path
            wanted[self.path] = None
            if layout.MARK in layout.lines_of(main):
                wanted[self.config] = (layout.without_confdir(main), 0o644)
        return wanted

    def test(self, wanted):
        changes = {path: value and value[0] for path, value in wanted.items()}
        # The configuration while all devices exist.
        lines = self.params["refclocks"] if self.params["state"] == "present" else []
        snippet = to_bytes("\n".join(lines) + "\n") if lines else None
        changes[self.root(texts.SNIPPET)] = snippet
        tested = layout.Layout(self.config, changes)
        if self.params["state"] == "present" and tested.times_read(self.path) != 1:
            raise Refused(
                "chronyd would read {0} {1} times; remove the extra include or confdir line from "
                "its configuration. {2}".format(self.path, tested.times_read(self.path), UNCHANGED)
            )
        ConfigTest(self.run, self.chronyd, self.version).test(tested)

    # State.

    def present(self):
        if self.params["content"] is None:
            raise Refused("content is required if state is present.")
        if not self.chronyd:
            if not self.check_mode:
                raise Refused("chronyd is not installed.")
            wanted = self.machinery()
            wanted[self.path] = (self.dropin(), 0o644)
            # A fresh host in check mode. Without check mode the package would be installed now.
            self.files.apply(wanted)
            return
        if daemon.too_old(self.version):
            raise Refused(
                "chrony {0} is too old: drop-ins need 4.0 or later. {1}".format(
                    self.version, UNCHANGED
                )
            )
        wanted = self.present_files()
        problem = self.service.refusal(self.params["enable"])
        if problem:
            raise Refused("{0} {1}".format(problem, UNCHANGED))
        if self.files.differ(wanted):
            self.refuse_missing_device()
            self.test(wanted)
        self.apply(wanted, self.settle)

    def absent(self):
        wanted = self.absent_files()
        if not self.files.differ(wanted):
            return
        if self.chronyd and self.config and not daemon.too_old(self.version):
            self.test(wanted)
        self.apply(wanted, lambda: None)

    def refuse_missing_device(self):
        for line in self.params["refclocks"]:
            words = line.split()
            device = words[2].partition(":")[0] if len(words) > 2 else ""
            selected = self.params["selects"] and self.params["selects"] in words
            if selected and not self.tree.exists(device) and not self.check_mode:
                raise Refused(
                    "{0} does not exist, so chronyd cannot select {1}. Load its driver first. "
                    "{2}".format(device, self.params["selects"], UNCHANGED)
                )

    def apply(self, wanted, settle):
        present = self.params["state"] == "present"
        former = self.files.snapshot(wanted)
        ran = self.service.running()
        changed, problem = False, None
        try:
            changed = self.files.apply(wanted)
        except Unwritable as reason:
            # Some files may have been written before the one that could not be.
            self.files.restore(former)
            raise Refused("{0}. The other files were restored.".format(reason))
        if changed:
            self.reload()
        if present and self.params["enable"]:
            problem = self.service.enable()
        if not problem and ((changed and ran) or (present and (not ran or self.stale()))):
            problem = self.service.restart()
        problem = problem or settle()
        if problem and changed:
            problem += self.roll_back(former, ran)
        if problem:
            raise Refused(problem)

    def reload(self):
        """Let systemd and udev read changed files, and clear the state of the former ones."""
        self.files.remove_quietly(self.root(texts.REFUSED))
        if self.params["state"] == "absent":
            self.files.remove_quietly(self.root(texts.SNIPPET))
        self.service.reload()

    def roll_back(self, former, ran):
        """Restore files and daemon. Returns a sentence for the message."""
        self.files.restore(former)
        self.files.remove_quietly(self.root(texts.REFUSED))
        self.service.reload()
        problem = self.service.restart() if ran else self.service.stop()
        self.rolled_back = not problem
        if problem:
            return " The former files were restored, but {0}".format(problem)
        return " The former files were restored and chronyd {0}.".format(
            "runs with them" if ran else "is stopped again"
        )

    def stale(self):
        """Whether chronyd was started without a refclock whose device exists now."""
        if self.check_mode:
            return False
        snippet = self.tree.text(texts.SNIPPET) or ""
        for line in self.params["refclocks"]:
            words = line.split()
            exists = len(words) > 2 and self.tree.exists(words[2].partition(":")[0])
            if exists and " ".join(words) not in snippet:
                return True
        return False

    def settle(self):
        """Wait until chronyd has selected the wanted source. Returns None, or the problem."""
        wanted, start = self.params["selects"], time.monotonic()
        if self.check_mode or not wanted:
            return None
        end = start + self.params["timeout_s"]
        selected = self.service.selected(end)
        while wanted not in selected and time.monotonic() < end:
            time.sleep(POLL_S)
            selected = self.service.selected(end)
        self.waited_s = round(time.monotonic() - start, 1)
        if wanted in selected:
            return None
        if not self.service.running():
            return "chronyd stopped: {0}.".format(self.service.journal())
        return "chronyd did not select {0} within {1} s; it selected {2}.".format(
            wanted, self.params["timeout_s"], " or ".join(selected) or "nothing"
        )


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    work = Refclock(module)
    failure = None
    try:
        if module.params["state"] == "present":
            work.present()
        else:
            work.absent()
    except (Refused, Unwritable) as reason:
        failure = str(reason)
    except OSError as reason:
        failure = "{0}.".format(reason)
    selected = work.service.selected(time.monotonic() + POLL_S)
    result = {
        "changed": bool(work.actions),
        "actions": work.actions,
        "version": work.version,
        "config": work.config,
        "path": work.path,
        "selected": selected[0] if selected else None,
        "waited_s": work.waited_s,
        "rolled_back": work.rolled_back,
        "diff": [difference(*change) for change in work.files.changes()],
    }
    if failure:
        module.fail_json(msg="chrony_refclock: {0}".format(failure), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
