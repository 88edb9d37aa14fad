# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a host for the dkms module: DKMS's tree, the modules of each kernel, the source."""

import filecmp
import os
import time

from ansible_collections.cipu.clock.plugins.module_utils._dkms import status
from ansible_collections.cipu.clock.plugins.module_utils._dkms.archive import file_sha256
from ansible_collections.cipu.clock.plugins.module_utils._dkms.framework import Framework
from ansible_collections.cipu.clock.plugins.module_utils._host import kernels
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

SOURCE_FILES_LIMIT = 10000
# Folders of a kernel that hold modules which did not come with it, in depmod's usual order.
ADDED_FOLDERS = ("updates", "extra", "weak-updates")
NOT_MODULES = ("build", "source")
# The folder that only DKMS uses. Packages and administrators put modules into the others, too.
OWN_FOLDER = "updates/dkms"
DEFAULT_INSTALL_TREE = "/lib/modules"


class Host:
    """The one place that reads the host, so that tests can replace it by a folder."""

    def __init__(self, module, tree=None):
        self.module = module
        self.tree = tree or Tree()
        self.framework = Framework(self.tree)
        self.dkms = module.get_bin_path("dkms")
        self.arch = os.uname().machine

    def say(self, argv):
        """The output of a program, whatever its exit status; None if it is not installed."""
        path = self.module.get_bin_path(argv[0])
        if path is None:
            return None
        _rc, out, _err = self.module.run_command([path] + argv[1:])
        return out.strip()[:200]

    # Paths.

    def base(self, name):
        return "{0}/{1}".format(self.framework.dkms_tree, name)

    def entry(self, name, version):
        return "{0}/{1}".format(self.base(name), version)

    def build(self, name, version, kernel):
        return "{0}/{1}/{2}".format(self.entry(name, version), kernel, self.arch)

    def source(self, name, version):
        """The source that DKMS uses; where it has none yet, the one that it would add."""
        linked = self.entry(name, version) + "/source"
        if self.tree.is_file(linked + "/dkms.conf"):
            return linked
        return "{0}/{1}-{2}".format(self.framework.source_tree, name, version)

    def kernel_folder(self, kernel):
        return "{0}/{1}".format(self.framework.install_tree, kernel)

    def bootable(self, running):
        return kernels.bootable(self.tree, running)

    # DKMS's tree.

    def records(self, name, verified_on=()):
        """Records of DKMS. For these kernels, checks that the installed file is the built one."""
        records = status.read_tree(self.tree, name, self.framework)
        for record in records:
            if record["state"] == "installed" and record["kernel"] in verified_on:
                folder = "{0}/{1}/{2}/module".format(
                    self.entry(name, record["version"]), record["kernel"], record["arch"]
                )
                if not all(
                    self.is_installed(record["kernel"], folder + "/" + entry)
                    for entry in status.module_files(self.tree, folder)
                ):
                    record["notes"] = ["differs"]
        return records

    def is_installed(self, kernel, built):
        path = self.loaded_by(kernel, status.stem(os.path.basename(built)))
        return bool(path) and self.same(built, path)

    def loaded_by(self, kernel, stem):
        """Path of the file that modprobe loads for a module of that kernel; None without one."""
        if self.framework.install_tree == DEFAULT_INSTALL_TREE:
            path = self.say(["modinfo", "-k", kernel, "-n", stem])
            if path is not None:
                return path if path.startswith("/") else None
        return next(iter(self.module_paths(kernel, {stem})), None)

    def module_paths(self, kernel, stems):
        """Every file of that kernel that is a module of one of these names."""
        top = self.kernel_folder(kernel)
        others = [name for name in self.tree.names(top) if name not in ADDED_FOLDERS]
        found = []
        for name in list(ADDED_FOLDERS) + [name for name in others if name not in NOT_MODULES]:
            start = self.tree.path(top + "/" + name)
            for folder, _folders, names in os.walk(start):
                inside = top + "/" + name + folder[len(start) :]
                found += [
                    inside + "/" + entry
                    for entry in sorted(names)
                    if ".ko" in entry and status.stem(entry) in stems
                ]
        return found

    def checksum(self, path):
        """None where there is no such file."""
        try:
            return file_sha256(self.tree.path(path))
        except OSError:
            return None

    def same(self, one, other):
        try:
            return filecmp.cmp(self.tree.path(one), self.tree.path(other), shallow=False)
        except OSError:
            return False

    def built_stems(self, name, version, kernel):
        folder = self.build(name, version, kernel) + "/module"
        return sorted(status.stem(entry) for entry in status.module_files(self.tree, folder))

    def stems(self, name, version):
        """Names of a version's modules: of its dkms.conf, else of its package."""
        names = status.module_names(self.tree, self.source(name, version) + "/dkms.conf")
        return {status.stem(entry) for entry in names or [name]}

    def occupied(self, name, version, kernel):
        """Whether that kernel has a module of the version's names, from any source."""
        return bool(self.module_paths(kernel, self.stems(name, version)))

    def stale(self, name, version, kernel):
        """Whether a file of the source is newer than the build. Future times are ignored."""
        folder = self.build(name, version, kernel) + "/module"
        built = [
            self.tree.path(folder + "/" + entry) for entry in status.module_files(self.tree, folder)
        ]
        if not built:
            return False
        return min(_mtime(path) for path in built) < _newest_mtime(
            self.tree.path(self.source(name, version))
        )

    def has_build(self, name, version, kernel, checksums):
        """Whether the build of that kernel has exactly the modules with these checksums."""
        folder = self.build(name, version, kernel) + "/module"
        return checksums == {
            entry: self.checksum(folder + "/" + entry)
            for entry in status.module_files(self.tree, folder)
        }

    def lost_source(self, name, version):
        """The dangling source link of a version; None if DKMS can follow it."""
        entry = self.entry(name, version)
        if self.tree.exists(entry + "/source") and not status.has_source(self.tree, entry):
            return entry + "/source"
        return None

    def leftovers(self, name, version):
        """(kernel, folder) of everything in a version that belongs to no finished build."""
        entry = self.entry(name, version)
        found = [
            (kernel, folder)
            for kernel, _arch, folder in status.build_folders(self.tree, entry)
            if not status.is_complete(self.tree, entry, folder)
        ]
        for kernel in self.tree.names(entry):
            folder = "{0}/{1}".format(entry, kernel)
            if kernel in status.NOT_KERNELS or not self.tree.is_dir(folder):
                continue
            found += [
                (kernel, folder + "/" + name)
                for name in self.tree.names(folder)
                if name.startswith(".tmp_")
            ]
        return found


def _mtime(path):
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def _newest_mtime(folder):
    newest_s, now_s, seen = 0, time.time(), 0
    for base, _folders, files in os.walk(folder):
        for entry in files:
            seen += 1
            changed_s = _mtime(os.path.join(base, entry))
            if changed_s <= now_s:
                newest_s = max(newest_s, changed_s)
        if seen > SOURCE_FILES_LIMIT:
            break
    return newest_s
