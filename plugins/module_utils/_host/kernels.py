# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels a host can boot, in which order, and whether their headers are installed."""

import re


def version_key(release):
    """Sort key of a kernel release: 6.12 is newer than 6.9, and 6.12 newer than 6.12-rc7."""
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


def is_debug(release):
    return bool(re.search(r"[+.-](?:\w+-)?debug$", release))


def newest(releases):
    """The newest release, a debug kernel only where there is no other."""
    ordinary = [release for release in releases if not is_debug(release)]
    ordered = sorted(ordinary or releases, key=version_key)
    return ordered[-1] if ordered else None


def has_headers(tree, release):
    base = "/lib/modules/{0}/build".format(release)
    return tree.is_dir(base + "/include") and tree.is_file(base + "/Makefile")
