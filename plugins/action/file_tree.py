# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a folder of the controller for cipu.clock.file_tree: one round trip for a tree."""

import fnmatch
import hashlib
import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

LIMIT = 2 * 1024 * 1024


def collect(folder, include):
    """The folder's files that match, as options of the module; sorted, without hidden files."""
    files, size = [], 0
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not any(fnmatch.fnmatch(name, pat) for pat in include):
                continue
            path = os.path.join(here, name)
            if not os.path.isfile(path):
                raise AnsibleActionFail("{0} is not a regular file".format(path))
            size += os.path.getsize(path)
            if size > LIMIT:
                raise AnsibleActionFail("{0} has more than {1} bytes".format(folder, LIMIT))
            with open(path, "rb") as stream:
                try:
                    content = stream.read().decode("utf-8")
                except UnicodeDecodeError:
                    raise AnsibleActionFail("{0} is not UTF-8 text".format(path)) from None
            mode = "0755" if os.access(path, os.X_OK) else "0644"
            files.append({"path": os.path.relpath(path, folder), "content": content, "mode": mode})
    return files


def digest(files):
    """One checksum of all paths, modes and contents."""
    total = hashlib.sha256()
    for item in files:
        content = item.get("content") or item.get("sha256") or ""
        for part in (item["path"], item.get("mode", ""), content):
            total.update(str(part).encode("utf-8") + b"\0")
    return total.hexdigest()


def sha256(path):
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1024 * 1024), b""):
            total.update(block)
    return total.hexdigest()


def patterns(include):
    """The option include as a list; a text has one or more, separated by commas."""
    if isinstance(include, str):
        return [part.strip() for part in include.split(",") if part.strip()]
    return list(include or ["*"])


def merged(first, second):
    """The result of both runs of the module, with each entry once."""
    result = dict(second)
    for key in ("actions", "diff", "former", "private"):
        known = first.get(key) or []
        result[key] = known + [entry for entry in second.get(key) or [] if entry not in known]
    result["changed"] = bool(result["actions"])
    return result


class ActionModule(ActionBase):
    """Replaces src by the files found there, and sends a file only if the host's differs."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        source = args.pop("src", None)
        include = patterns(args.pop("include", ["*"]))
        args["files"] = [dict(item) for item in args.get("files") or []]
        if args.get("state", "present") == "present":
            if source:
                args["files"] = self.found(source, include) + args["files"]
            local = self.checksums(args["files"])
        else:
            local = {}
        result = self._execute_module("cipu.clock.file_tree", module_args=args, task_vars=task_vars)
        if result.get("unsent") and not result.get("failed") and not self._task.check_mode:
            result = self.send(args, local, result, task_vars)
        if source:
            result["src_sha256"] = digest(args["files"])
        return result

    def found(self, source, include):
        folder = self._loader.path_dwim(source)
        if not os.path.isdir(folder):
            raise AnsibleActionFail("src is not a folder on the controller: {0}".format(folder))
        found = collect(folder, include)
        if not found:
            raise AnsibleActionFail("no file of {0} matches {1}".format(folder, include))
        return found

    def checksums(self, files):
        """Replace each src by a checksum; returns path on the host -> file on the controller."""
        local = {}
        for item in files:
            if item.get("src") and item.get("state", "present") == "present":
                path = self._loader.path_dwim(item.pop("src"))
                if not os.path.isfile(path):
                    raise AnsibleActionFail("src is not a file on the controller: {0}".format(path))
                item["sha256"] = sha256(path)
                local[item["path"]] = path
            item.pop("src", None)
        return local

    def send(self, args, local, first, task_vars):
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        for number, item in enumerate(args["files"]):
            if item["path"] in first["unsent"]:
                remote = self._connection._shell.join_path(
                    self._connection._shell.tmpdir, "sent{0}".format(number)
                )
                item["src"] = self._transfer_file(local[item["path"]], remote)
        try:
            second = self._execute_module(
                "cipu.clock.file_tree", module_args=args, task_vars=task_vars
            )
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return merged(first, second)
