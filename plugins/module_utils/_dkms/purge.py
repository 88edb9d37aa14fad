# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that remove a version if `dkms remove` cannot, or leaves files behind.

DKMS cannot remove a version whose source is lost, and once the package dkms is removed, no program
removes what it installed.
"""

from ansible_collections.cipu.clock.plugins.module_utils._dkms import status
from ansible_collections.cipu.clock.plugins.module_utils._dkms.host import OWN_FOLDER
from ansible_collections.cipu.clock.plugins.module_utils._host import headers


def steps(host, name, version):
    """Remove its modules from every kernel, then its builds, then its entry."""
    entry = host.entry(name, version)
    found = []
    for kernel, arch, folder in status.build_folders(host.tree, entry):
        link = "{0}/kernel-{1}-{2}".format(host.base(name), kernel, arch)
        target = host.tree.link(link) or ""
        if target.endswith("/".join([version, kernel, arch])):
            found += _uninstall(host, name, kernel, arch, folder)
            found += [("rm", kernel, ["rm", link]), _depmod(kernel)]
        found.append(("rm", kernel, ["rm", "-r", folder]))
    return found + [("rm", None, ["rm", "-r", entry])]


def _uninstall(host, name, kernel, arch, folder):
    found = []
    installed = installed_files(host, kernel, folder + "/module")
    for path in installed:
        found += _weak_links(host, path)
        found.append(("rm", kernel, ["rm", path]))
    # The module that DKMS had replaced returns to its place.
    backup = "{0}/original_module/{1}/{2}".format(host.base(name), kernel, arch)
    for entry in status.module_files(host.tree, backup) if installed else ():
        place = origin(host, backup, entry) or installed[0].rpartition("/")[0] + "/" + entry
        found.append(("mv", kernel, ["mv", backup + "/" + entry, place]))
    return found


def origin(host, backup, entry):
    """Where DKMS 3.2 found the module that it moved away; None where it is not recorded."""
    place = host.tree.line("{0}/{1}.origin".format(backup, entry), 4096)
    return place if place and place.startswith(host.framework.install_tree + "/") else None


def installed_files(host, kernel, folder):
    """The kernel's files that are DKMS's copies of the modules in a build folder."""
    own = "{0}/{1}/".format(host.kernel_folder(kernel), OWN_FOLDER)
    found = []
    for entry in status.module_files(host.tree, folder):
        for path in host.module_paths(kernel, {status.stem(entry)}):
            is_link = host.tree.link(path) is not None
            if path.startswith(own) or (not is_link and host.same(folder + "/" + entry, path)):
                found.append(path)
    return found


def _weak_links(host, path):
    """Links of other kernels to a module, as weak-modules makes them."""
    found = []
    for kernel in host.tree.names(host.framework.install_tree):
        weak = host.kernel_folder(kernel) + "/weak-updates"
        for entry in host.tree.names(weak):
            if host.tree.link(weak + "/" + entry) == path:
                found += [("rm", kernel, ["rm", weak + "/" + entry]), _depmod(kernel)]
    return found


def orphans(host, name, records):
    """Remove modules in DKMS's own folder that belong to no installed version.

    Only on Debian and Ubuntu. On other systems DKMS restores the former module to that folder.
    """
    if headers.os_family(host.tree) not in {"debian", "ubuntu"}:
        return []
    stems = {status.stem(name)}
    for version in status.versions(records):
        stems |= host.stems(name, version)
    installed = {r["kernel"] for r in records if r["state"] == "installed"}
    found = []
    for kernel in host.tree.names(host.framework.install_tree):
        folder = "{0}/{1}".format(host.kernel_folder(kernel), OWN_FOLDER)
        names = status.module_files(host.tree, folder) if kernel not in installed else []
        paths = [folder + "/" + entry for entry in names if status.stem(entry) in stems]
        # DKMS 3.2 also restores what it had found in its own folder.
        backup = "{0}/original_module/{1}/{2}".format(host.base(name), kernel, host.arch)
        places = (origin(host, backup, e) for e in status.module_files(host.tree, backup))
        paths += [place for place in places if place and place.startswith(folder + "/")]
        found += [("rm", kernel, ["rm", path]) for path in paths]
        found += [_depmod(kernel)] if paths else []
    return found


def _depmod(kernel):
    return ("depmod", kernel, ["depmod", kernel])
