# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a DKMS module, read from DKMS's own tree.

`dkms status` is not used: it exits with 0 and omits versions whose source is lost, lists a backup
folder as a version, and takes a hundred times as long.
"""

import re

from ansible_collections.cipu.clock.plugins.module_utils._dkms.framework import (
    Framework,
    assignments,
)

# dkms exit status -> meaning. 1 has too many meanings to be of use.
EXIT_MEANING = {
    2: "the source tree is missing",
    3: "it is added or built already",
    5: "it is installed already",
    6: "the installation failed",
    7: "the build produced no module",
    8: "dkms.conf is malformed",
    10: "the build failed",
    13: "a build dependency is missing",
    14: "a kernel hook failed",
    21: "the kernel's headers are missing",
    77: "dkms.conf excludes this kernel (BUILD_EXCLUSIVE)",
}
# Folders beside the versions, and beside the kernels of a version, that are neither.
MODULE_FILE = re.compile(r"\.ko(\.(gz|bz2|xz|zst|lzma))?$")
NOT_VERSIONS = ("original_module",)
NOT_KERNELS = ("source", "build", "tarball", "driver_disk", "rpm", "deb")


def read_tree(tree, name, framework=None):
    """Records of what DKMS has of a module: name, version, kernel, arch, state, notes.

    Kernel and arch are None where a version is only added. Whether an installed file still is the
    one that was built is not checked here.
    """
    base = "{0}/{1}".format((framework or Framework(tree)).dkms_tree, name)
    records = []
    for version in tree.names(base):
        entry = "{0}/{1}".format(base, version)
        if not _is_version(tree, entry, version):
            continue
        found = _built(tree, base, version)
        if not found:
            found = [(None, None, "added" if has_source(tree, entry) else "broken")]
        for kernel, arch, state in found:
            records.append(
                {
                    "name": name,
                    "version": version,
                    "kernel": kernel,
                    "arch": arch,
                    "state": state,
                    "notes": [],
                }
            )
    return records


def _is_version(tree, entry, name):
    if name in NOT_VERSIONS or name.startswith(".") or tree.link(entry) is not None:
        return False
    return tree.is_dir(entry)


def has_source(tree, entry):
    """Whether the source of a version exists. DKMS can neither build nor remove without it."""
    return tree.is_file(entry + "/source/dkms.conf")


def module_names(tree, conf):
    """Names of the modules that a dkms.conf builds, without suffix; empty where not readable."""
    found = assignments(tree.text(conf) or "")
    built = {key: value for key, value in found.items() if key.startswith("BUILT_MODULE_NAME")}
    names = [
        found.get(key.replace("BUILT_", "DEST_"), value) for key, value in sorted(built.items())
    ]
    return names or [found[key] for key in ("PACKAGE_NAME",) if found.get(key)]


def module_files(tree, folder):
    """Names of the kernel modules in a folder: *.ko, compressed or not."""
    return [name for name in tree.names(folder) if MODULE_FILE.search(name)]


def stem(file_name):
    """The module's name as file names and commands spell it: hyphen and underscore are one."""
    return file_name.partition(".ko")[0].replace("-", "_")


def build_folders(tree, entry):
    """(kernel, arch, folder) of every build folder of a version, finished or not."""
    return [
        (kernel, arch, "{0}/{1}/{2}".format(entry, kernel, arch))
        for kernel in tree.names(entry)
        if kernel not in NOT_KERNELS and not kernel.startswith(".")
        for arch in tree.names("{0}/{1}".format(entry, kernel))
        if not arch.startswith(".") and tree.is_dir("{0}/{1}/{2}".format(entry, kernel, arch))
    ]


def is_complete(tree, entry, folder):
    """Whether a build folder has every module. An interrupted build lacks some."""
    have = {stem(name) for name in module_files(tree, folder + "/module")}
    need = {stem(name) for name in module_names(tree, entry + "/source/dkms.conf")}
    return bool(have) and need <= have


def _built(tree, base, version):
    """(kernel, arch, state) of each finished build of a version."""
    entry = "{0}/{1}".format(base, version)
    found = []
    for kernel, arch, folder in build_folders(tree, entry):
        if not is_complete(tree, entry, folder):
            continue
        target = tree.link("{0}/kernel-{1}-{2}".format(base, kernel, arch)) or ""
        whole = "/".join([version, kernel, arch])
        installed = target == whole or target.endswith("/" + whole)
        found.append((kernel, arch, "installed" if installed else "built"))
    return found


def state_of(records, version, kernel):
    """One of absent, broken, added, built, installed for that version on that kernel."""
    state = "absent"
    for record in records:
        if record["version"] != version:
            continue
        if record["kernel"] == kernel:
            if record["state"] == "installed" and "differs" in record["notes"]:
                return "built"
            return record["state"]
        if record["kernel"] is None and record["state"] == "broken":
            state = "broken"
        elif state == "absent":
            # A version built for another kernel is, for this one, just added.
            state = "added"
    return state


def versions(records):
    return sorted({record["version"] for record in records})


def is_newer(version, other):
    """Whether DKMS considers `version` newer, and so builds it for a new kernel."""
    return _version_parts(version) > _version_parts(other)


def _version_parts(version):
    """Sort numbers by value, and after words."""
    parts = re.findall(r"[0-9]+|[a-z]+", version.lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def meaning(rc):
    return EXIT_MEANING.get(rc, "dkms ended with status {0}".format(rc))


def make_log(tree, entry, kernel, arch, lines=30):
    """The last lines of the log of the last build; None if there is no log."""
    for path in ("{0}/build/make.log", "{0}/{1}/{2}/log/make.log"):
        text = tree.text(path.format(entry, kernel, arch), 1024 * 1024)
        if text:
            return "\n".join(text.splitlines()[-lines:])
    return None
