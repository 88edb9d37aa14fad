#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: file_tree
short_description: Hold a set of small text files in one round trip
version_added: 0.1.0
description:
  - Writes, compares or removes several small text files at once, so that a role needs one task for
    them and a second run costs one round trip, however many files there are.
  - With O(src) a whole folder of the controller is held, such as the source tree of a driver.
  - Files are replaced atomically. A file that is as wanted is not touched.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  state:
    description: V(absent) removes the files, and O(root), where given, with everything beneath it.
    type: str
    choices: [present, absent]
    default: present
  root:
    description:
      - Absolute folder that relative paths lie beneath. It is made where it is missing.
    type: path
  src:
    description:
      - Folder on the controller. Its files are held beneath O(root), which is then needed.
    type: path
  include:
    description:
      - Patterns of file names taken from O(src), as in C(fnmatch). Hidden files are never taken.
    type: list
    elements: str
    default: ['*']
  exclusive:
    description: Whether whatever else lies beneath O(root) is removed.
    type: bool
    default: false
  files:
    description: The files, besides those of O(src).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute, or relative to O(root).
        type: str
        required: true
      content:
        description: The whole text. Not needed where the file is to be absent.
        type: str
        default: ''
      src:
        description:
          - File on the controller to take instead of O(files[].content). It may be binary, and is
            sent only if the host's file is another one.
        type: path
      sha256:
        description: Checksum of O(files[].src), hexadecimal. Found out by the controller.
        type: str
      mode:
        description: Permission bits, octal.
        type: str
        default: '0644'
      state:
        description: V(absent) removes this one file.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows each file before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Hold the source tree of the driver
  cipu.clock.file_tree:
    root: /usr/src/ptp_cipu-0.1.0
    src: "{{ role_path }}/../../driver"
    include: [dkms.conf, Makefile, '*.c', '*.h']
    exclusive: true

- name: Hold two small files
  cipu.clock.file_tree:
    files:
      - path: /etc/modprobe.d/ptp_cipu.conf
        content: "options ptp_cipu drv_ver=0x00010300\n"
      - path: /etc/udev/rules.d/60-ptp_cipu.rules
        content: "{{ lookup('ansible.builtin.template', 'ptp_cipu.rules.j2') }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be done, one sentence a file.
  returned: always
  type: list
  elements: str
  sample: ['write /etc/modprobe.d/ptp_cipu.conf']
unsent:
  description: Files that the controller has yet to send; none after a run that was no check.
  returned: always
  type: list
  elements: str
former:
  description:
    - Each text file of O(files) outside O(root) that was changed, as it was before. Given as
      O(files) they are put back.
  returned: always
  type: list
  elements: dict
  sample: [{path: /etc/modprobe.d/ptp_cipu.conf, state: absent}]
src_sha256:
  description: Checksum over all files, hexadecimal.
  returned: with O(src)
  type: str
"""

import hashlib
import os
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes
from ansible_collections.cipu.clock.plugins.module_utils._host.files import (
    Unwritable,
    difference,
    read,
    text,
    write,
)

SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "root": {"type": "path"},
    "src": {"type": "path"},
    "include": {"type": "list", "elements": "str", "default": ["*"]},
    "exclusive": {"type": "bool", "default": False},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "default": ""},
            "src": {"type": "path"},
            "sha256": {"type": "str"},
            "mode": {"type": "str", "default": "0644"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
}


class Unusable(Exception):
    """What was asked for cannot be done; the text says why."""


def resolve(root, path):
    """Absolute path of a file, which a relative one may not lead out of the root."""
    if os.path.isabs(path):
        return os.path.normpath(path)
    if not root:
        raise Unusable("{0} is relative, so root is needed".format(path))
    full = os.path.normpath(os.path.join(root, path))
    if not full.startswith(os.path.normpath(root) + os.sep):
        raise Unusable("{0} leads out of {1}".format(path, root))
    return full


def strangers(root, known):
    """Files beneath root that are not among the known paths."""
    found = []
    for folder, _folders, names in os.walk(root):
        found.extend(os.path.join(folder, name) for name in names)
    return sorted(path for path in found if path not in known)


class Files:
    """Brings files to a state and keeps the list of what it did."""

    def __init__(self, module):
        self.module = module
        self.actions = []
        self.diff = []
        self.unsent = []
        self.former = []

    def remember(self, path, before):
        """How a text was, before it is changed. Those beneath root are a tree, kept elsewhere."""
        if self.module.params["root"] and path.startswith(self.module.params["root"] + os.sep):
            return
        if before is None:
            self.former.append({"path": path, "state": "absent"})
            return
        content = text(before)
        if content is not None:
            mode = "0{0:o}".format(stat.S_IMODE(os.stat(path).st_mode))
            self.former.append({"path": path, "content": content, "mode": mode})

    def note(self, verb, path, before, after):
        self.actions.append("{0} {1}".format(verb, path))
        self.diff.append(difference(path, before, after))

    def hold(self, path, item):
        bits, before = int(item["mode"], 8), read(path)
        if item["sha256"]:
            same = before is not None and hashlib.sha256(before).hexdigest() == item["sha256"]
            wanted = before if same else self.sent(path, item)
        else:
            wanted = to_bytes(item["content"])
            same = before == wanted
        if not same:
            if item["sha256"]:
                self.note("write", path, None, to_bytes("sha256 {0}\n".format(item["sha256"])))
            else:
                self.note("write", path, before, wanted)
                self.remember(path, before)
            if not self.module.check_mode and wanted is not None:
                write(self.module, path, wanted, bits)
        elif stat.S_IMODE(os.stat(path).st_mode) != bits:
            self.note("chmod {0}".format(item["mode"]), path, before, before)
            if not self.module.check_mode:
                os.chmod(path, bits)

    def sent(self, path, item):
        """What the controller sent, or None if it has yet to send it."""
        if not item["src"]:
            self.unsent.append(item["path"])
            return None
        content = read(item["src"])
        if content is None or hashlib.sha256(content).hexdigest() != item["sha256"]:
            raise Unusable("what arrived for {0} is not what was sent".format(path))
        return content

    def remove(self, path):
        if not os.path.lexists(path):
            return
        before = read(path)
        self.note("remove", path, before, None)
        if before is not None:
            self.remember(path, before)
        if not self.module.check_mode:
            os.unlink(path)

    def remove_tree(self, root):
        if not os.path.lexists(root):
            return
        self.actions.append("remove {0}".format(root))
        self.diff.append({"before": "{0}/ exists\n".format(root), "after": ""})
        if self.module.check_mode:
            return
        if os.path.islink(root):
            os.unlink(root)
        else:
            shutil.rmtree(root)

    def remove_empty(self, root):
        for folder, _folders, _names in os.walk(root, topdown=False):
            if folder != root and not os.listdir(folder) and not self.module.check_mode:
                os.rmdir(folder)


def run(module):
    params = module.params
    root = params["root"]
    if params["src"]:
        raise Unusable(
            "src is read on the controller: call the module as cipu.clock.file_tree in a task"
        )
    if params["exclusive"] and not root:
        raise Unusable("exclusive needs root")
    if root and (not os.path.isabs(root) or os.path.normpath(root).count(os.sep) < 2):
        raise Unusable("root must be an absolute folder below a top one, not {0}".format(root))
    work = Files(module)
    wanted = [(resolve(root, item["path"]), item) for item in params["files"]]
    if params["state"] == "absent":
        for path, _item in wanted:
            work.remove(path)
        if root:
            work.remove_tree(root)
        return work
    for path, item in wanted:
        if item["state"] == "absent":
            work.remove(path)
        else:
            work.hold(path, item)
    if params["exclusive"]:
        for path in strangers(root, {path for path, _item in wanted}):
            work.remove(path)
        work.remove_empty(root)
    return work


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        work = run(module)
    except (Unusable, Unwritable, OSError, ValueError) as reason:
        module.fail_json(msg="file_tree: {0}".format(reason), actions=[])
    module.exit_json(
        changed=bool(work.actions),
        actions=work.actions,
        diff=work.diff,
        unsent=work.unsent,
        former=work.former,
    )


if __name__ == "__main__":
    main()
