#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: file_tree
short_description: Write, compare or remove a set of small text files in one round trip
version_added: 0.1.0
description:
  - Writes, compares or removes several small text files at once, so that a role needs one task for
    them and a second run costs one round trip, however many files there are.
  - With O(src), copies a whole folder of the controller, such as the source tree of a driver.
  - Replaces files atomically and does not touch a file that already has the requested content.
  - Refuses to replace a symbolic link, a device, a FIFO or a folder by a file.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  state:
    description: V(absent) removes the files, and O(root), if given, with everything below it.
    type: str
    choices: [present, absent]
    default: present
  root:
    description:
      - Absolute path of the folder for relative paths. It is created if it does not exist.
    type: path
  src:
    description:
      - Path to a folder on the controller. Its files are written below O(root), which is required
        then.
    type: path
  include:
    description:
      - Patterns of file names to copy from O(src), as in C(fnmatch). Hidden files are never copied.
    type: list
    elements: str
    default: ['*']
  exclusive:
    description: Whether to remove everything else below O(root).
    type: bool
    default: false
  files:
    description: Files in addition to those of O(src).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path to the file, absolute or relative to O(root).
        type: str
        required: true
      content:
        description:
          - Content of the file, which may be empty. Required unless the file has O(files[].src) or
            must be absent.
        type: str
      src:
        description:
          - File on the controller to use instead of O(files[].content). It may be binary, and is
            sent only if the file on the host differs.
        type: path
      sha256:
        description: Checksum of O(files[].src), hexadecimal. Set by the controller.
        type: str
      mode:
        description:
          - Permission bits, as an octal string such as V('0644') or as the number that YAML makes
            of C(0644).
        type: raw
        default: '0644'
      state:
        description: V(absent) removes this file.
        type: str
        choices: [present, absent]
        default: present
  return_private:
    description:
      - Whether the diff and RV(former) contain the content of files that other users cannot read.
        Use it with C(no_log).
    type: bool
    default: false
extends_documentation_fragment:
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    description: Returns what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows each file before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: ansible.builtin.copy
  - module: cipu.clock.host_record
"""

EXAMPLES = r"""
- name: Install the source tree of the driver
  cipu.clock.file_tree:
    root: /usr/src/ptp_cipu-0.1.0
    src: "{{ role_path }}/../../driver"
    include: [dkms.conf, Makefile, '*.c', '*.h']
    exclusive: true

- name: Write two small files
  cipu.clock.file_tree:
    files:
      - path: /etc/modprobe.d/ptp_cipu.conf
        content: "options ptp_cipu drv_ver=0x00010300\n"
      - path: /etc/udev/rules.d/60-ptp_cipu.rules
        content: "{{ lookup('ansible.builtin.template', 'ptp_cipu.rules.j2') }}"
"""

RETURN = r"""
actions:
  description: Changes that were made, in check mode those that would be made, one entry per file.
    Also returned if the module fails midway.
  returned: always
  type: list
  elements: str
  sample: ['write /etc/modprobe.d/ptp_cipu.conf']
unsent:
  description: Files that the controller has not sent yet; empty after a run without check mode.
  returned: always
  type: list
  elements: str
  sample: []
former:
  description:
    - Former content of each changed text file of O(files) outside O(root). Pass it as O(files) to
      restore the files. Also returned if the module fails midway.
  returned: always
  type: list
  elements: dict
  sample: [{path: /etc/modprobe.d/ptp_cipu.conf, state: absent}]
private:
  description: Changed files that are not in RV(former), since other users may not read them.
  returned: always
  type: list
  elements: str
  sample: [/etc/cipu-clock/key.pem]
src_sha256:
  description: Checksum over all files, hexadecimal.
  returned: with O(src)
  type: str
  sample: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
"""

import hashlib
import os
import re
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes
from ansible_collections.cipu.clock.plugins.module_utils._host.files import (
    Unwritable,
    difference,
    kind,
    read,
    refuse_irregular,
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
            "content": {"type": "str"},
            "src": {"type": "path"},
            "sha256": {"type": "str"},
            "mode": {"type": "raw", "default": "0644"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "return_private": {"type": "bool", "default": False},
}
MODE_LIMIT = 0o777


class Unusable(Exception):
    """The request cannot be carried out; the text says why."""


def bits_of(mode, path):
    """Permission bits of an octal string, or of a number as YAML reads 0644."""
    if isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= MODE_LIMIT:
        return mode
    if isinstance(mode, str) and re.match(r"(0o)?0?[0-7]{3}\Z", mode):
        return int(mode[2:] if mode.startswith("0o") else mode, 8)
    raise Unusable(
        "mode {0!r} of {1} is not valid: write it as an octal string such as '0644'".format(
            mode, path
        )
    )


def resolve(root, path):
    """Absolute path of a file; a relative one must stay below the root."""
    if not path or "\0" in path:
        raise Unusable("path {0!r} is not a path".format(path))
    if os.path.isabs(path):
        return os.path.normpath(path)
    if not root:
        raise Unusable("{0} is relative, so root is required".format(path))
    full = os.path.normpath(os.path.join(root, path))
    if not full.startswith(root + os.sep):
        raise Unusable("{0} is not below {1}".format(path, root))
    return full


def normal_root(root):
    """The root without doubled and trailing slashes; None if no root is given."""
    if not root:
        return None
    normal = re.sub(r"^//", "/", os.path.normpath(root))
    if not os.path.isabs(root) or normal.count(os.sep) < 2:
        raise Unusable("root must be an absolute path of two or more parts, not {0}".format(root))
    return normal


def unlisted(root, known):
    """Files and links below root that are not among the known paths."""
    found = []
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found.extend(os.path.join(folder, name) for name in names + links)
    return sorted(path for path in found if path not in known)


class Files:
    """Brings files to a state and records what it did."""

    def __init__(self, module, root):
        self.module = module
        self.root = root
        self.actions = []
        self.diff = []
        self.unsent = []
        self.former = []
        self.private = []

    def is_private(self, path, bits=None):
        """Whether other users may not read the file, as it is or as it will be."""
        if self.module.params["return_private"]:
            return False
        modes = [bits] if bits is not None else []
        if kind(path) == "file":
            modes.append(os.lstat(path).st_mode)
        return any(not mode & stat.S_IROTH for mode in modes)

    def remember(self, path, before):
        """Record a text before it is changed. Those below root can be written again from src."""
        if self.root and path.startswith(self.root + os.sep):
            return
        if before is None:
            self.former.append({"path": path, "state": "absent"})
            return
        if self.is_private(path):
            self.private.append(path)
            return
        content = text(before)
        if content is not None:
            mode = "0{0:o}".format(stat.S_IMODE(os.stat(path).st_mode))
            self.former.append({"path": path, "content": content, "mode": mode})

    def note(self, verb, path, before, after, bits=None):
        self.actions.append("{0} {1}".format(verb, path))
        if self.is_private(path, bits):
            hidden = "({0} bytes that other users may not read)\n"
            before = before if before is None else hidden.format(len(before)).encode("ascii")
            after = after if after is None else hidden.format(len(after)).encode("ascii")
        self.diff.append(difference(path, before, after))

    def ensure(self, path, item):
        """Write one file, or set its mode."""
        bits = bits_of(item["mode"], path)
        refuse_irregular(path)
        before = read(path)
        if item["sha256"]:
            same = before is not None and hashlib.sha256(before).hexdigest() == item["sha256"]
            wanted = before if same else self.sent(path, item)
        elif item["content"] is None:
            raise Unusable("{0} has neither content nor src".format(path))
        else:
            wanted = to_bytes(item["content"])
            same = before == wanted
        if not same:
            if item["sha256"]:
                self.note("write", path, None, to_bytes("sha256 {0}\n".format(item["sha256"])))
            else:
                self.note("write", path, before, wanted, bits)
                self.remember(path, before)
            if not self.module.check_mode and wanted is not None:
                write(self.module, path, wanted, bits)
        elif stat.S_IMODE(os.stat(path).st_mode) != bits:
            self.note("chmod 0{0:o}".format(bits), path, before, before, bits)
            self.remember(path, before)
            if not self.module.check_mode:
                os.chmod(path, bits)

    def sent(self, path, item):
        """What the controller sent, or None if it has not sent it yet."""
        if not item["src"]:
            self.unsent.append(item["path"])
            return None
        content = read(item["src"])
        if content is None or hashlib.sha256(content).hexdigest() != item["sha256"]:
            raise Unusable("the file received for {0} is not the one that was sent".format(path))
        return content

    def remove(self, path):
        found = kind(path)
        if found is None:
            return
        if found in {"folder", "special"}:
            refuse_irregular(path)
        before = read(path) if found == "file" else None
        self.note("remove", path, before, None)
        if before is not None:
            self.remember(path, before)
        if not self.module.check_mode:
            os.unlink(path)

    def remove_tree(self):
        if not os.path.lexists(self.root):
            return
        self.actions.append("remove {0}".format(self.root))
        self.diff.append({"before": "{0}/ exists\n".format(self.root), "after": ""})
        if self.module.check_mode:
            return
        if os.path.islink(self.root):
            os.unlink(self.root)
        else:
            shutil.rmtree(self.root)

    def remove_empty(self):
        for folder, _folders, _names in os.walk(self.root, topdown=False):
            if folder != self.root and not os.listdir(folder) and not self.module.check_mode:
                os.rmdir(folder)

    def result(self):
        return {
            "changed": bool(self.actions),
            "actions": self.actions,
            "diff": self.diff,
            "unsent": self.unsent,
            "former": self.former,
            "private": self.private,
        }


def prepare(module):
    """The worker and the files by absolute path; raises before anything is changed."""
    params = module.params
    root = normal_root(params["root"])
    if params["src"]:
        raise Unusable(
            "src is read on the controller: call the module as cipu.clock.file_tree in a task"
        )
    if params["exclusive"] and not root:
        raise Unusable("exclusive requires root")
    if root and params["state"] == "present" and kind(root) not in {None, "folder"}:
        raise Unusable("root {0} is not a folder".format(root))
    wanted = [(resolve(root, item["path"]), item) for item in params["files"]]
    for path, item in wanted if params["state"] == "present" else ():
        if item["state"] == "present":
            bits_of(item["mode"], path)
            if item["content"] is None and not item["sha256"]:
                raise Unusable("{0} has neither content nor src".format(path))
    return Files(module, root), wanted


def carry_out(work, wanted):
    params = work.module.params
    if params["state"] == "absent":
        for path, _item in wanted:
            work.remove(path)
        if work.root:
            work.remove_tree()
        return
    for path, item in wanted:
        if item["state"] == "absent":
            work.remove(path)
        else:
            work.ensure(path, item)
    if params["exclusive"]:
        for path in unlisted(work.root, {path for path, _item in wanted}):
            work.remove(path)
        work.remove_empty()


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    work = Files(module, None)
    try:
        work, wanted = prepare(module)
        carry_out(work, wanted)
    except (Unusable, Unwritable, OSError, ValueError) as reason:
        # What was changed before the failure can be restored from former.
        module.fail_json(msg="file_tree: {0}".format(reason), **work.result())
    module.exit_json(**work.result())


if __name__ == "__main__":
    main()
