# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the controller's folder for cipu.clock.files, so that a whole tree is one round trip."""

import fnmatch
import hashlib
import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

LIMIT = 2 * 1024 * 1024


def collect(folder, include):
    """The folder's files by pattern, as options of the module; sorted, hidden ones left out."""
    files, size = [], 0
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not any(fnmatch.fnmatch(name, pat) for pat in include):
                continue
            path = os.path.join(here, name)
            size += os.path.getsize(path)
            if size > LIMIT:
                raise AnsibleActionFail("{0} holds more than {1} bytes".format(folder, LIMIT))
            with open(path, "rb") as stream:
                content = stream.read().decode("utf-8")
            mode = "0755" if os.access(path, os.X_OK) else "0644"
            files.append({"path": os.path.relpath(path, folder), "content": content, "mode": mode})
    return files


def digest(files):
    """One checksum of all paths, modes and contents."""
    total = hashlib.sha256()
    for item in files:
        for part in (item["path"], item.get("mode", ""), item.get("content", "")):
            total.update(part.encode("utf-8") + b"\0")
    return total.hexdigest()


class ActionModule(ActionBase):
    """Replaces src by the files found there."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        source = args.pop("src", None)
        include = args.pop("include", ["*"])
        if source and args.get("state", "present") == "present":
            folder = self._loader.path_dwim(source)
            if not os.path.isdir(folder):
                raise AnsibleActionFail("src is not a folder of the controller: {0}".format(folder))
            found = collect(folder, include)
            if not found:
                raise AnsibleActionFail("no file of {0} matches {1}".format(folder, include))
            args["files"] = found + list(args.get("files") or [])
        result = self._execute_module("cipu.clock.files", module_args=args, task_vars=task_vars)
        if source:
            result["src_sha256"] = digest(args.get("files") or [])
        return result
