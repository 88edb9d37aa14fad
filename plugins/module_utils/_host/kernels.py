# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels a host can boot, and which package brings the headers of one."""

import re

HEADERS_PACKAGE = (
    (("debian", "ubuntu"), "linux-headers-{0}"),
    (("rhel", "fedora", "centos", "anolis", "alinux", "rocky", "almalinux"), "kernel-devel-{0}"),
    (("suse", "sles", "opensuse-leap"), "kernel-default-devel"),
)


def version_key(release):
    """Orders kernel releases as people do: 6.12 after 6.9, a release after its candidates."""
    key = []
    for part in re.findall(r"[0-9]+|[a-z]+", release.lower()):
        if part.isdigit():
            key.append((2, int(part), ""))
        else:
            key.append((0 if part == "rc" else 1, 0, part))
    key.append((1, 0, ""))
    return key


def bootable(tree, running):
    """Releases with a kernel image to boot and modules to load; the running one always."""
    found = {running}
    for release in tree.names("/lib/modules"):
        image = any(
            tree.is_file(path.format(release))
            for path in ("/boot/vmlinuz-{0}", "/boot/Image-{0}", "/lib/modules/{0}/vmlinuz")
        )
        if image and tree.is_dir("/lib/modules/{0}".format(release)):
            found.add(release)
    return sorted(found, key=version_key)


def next_to_boot(tree, releases):
    """The release the default entry boots: the distribution's own link, else the newest."""
    for link in ("/vmlinuz", "/boot/vmlinuz"):
        target = tree.link(link)
        if target:
            release = re.sub(r"^.*/?vmlinuz-", "", target)
            if release in releases:
                return release
    return releases[-1] if releases else None


def os_ids(tree):
    """ID and ID_LIKE of os-release, nearest first."""
    ids = []
    text = tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    for name in ("ID", "ID_LIKE"):
        ids.extend(fields.get(name, "").strip("\"'").lower().split())
    return ids


def headers_package(tree, release):
    """The name of the package with the headers of that kernel, or None if not known here."""
    for os_id in os_ids(tree):
        for names, pattern in HEADERS_PACKAGE:
            if os_id in names:
                return pattern.format(release)
    return None


def has_headers(tree, release):
    base = "/lib/modules/{0}/build".format(release)
    return tree.is_dir(base + "/include") and tree.is_file(base + "/Makefile")
