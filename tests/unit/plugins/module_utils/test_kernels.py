# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that can be booted, and their order."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host import kernels
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree


def host(tmp_path, *files):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return Tree(str(tmp_path))


def test_bootable_is_what_has_an_image_and_modules(tmp_path):
    tree = host(
        tmp_path,
        "boot/vmlinuz-6.9.0",
        "lib/modules/6.9.0/modules.dep",
        "lib/modules/6.12.1/vmlinuz",
        "lib/modules/5.0.0-left-over/modules.dep",
        "boot/vmlinuz-4.0.0-without-modules",
    )
    assert kernels.bootable(tree, "6.9.0") == ["6.9.0", "6.12.1"]
    assert kernels.bootable(tree, "7.0-netboot") == ["6.9.0", "6.12.1", "7.0-netboot"]


def test_a_debug_kernel_is_the_newest_only_where_there_is_no_other():
    debug = "5.14.0-427.el9.x86_64+debug"
    assert kernels.newest([debug, "5.14.0-427.el9.x86_64"]) == "5.14.0-427.el9.x86_64"
    assert kernels.newest([debug]) == debug
    assert kernels.newest([]) is None


@pytest.mark.parametrize(
    "older, newer",
    [
        ("6.9.0-1-amd64", "6.12.0-1-amd64"),
        ("6.1.0-9-amd64", "6.1.0-40-amd64"),
        ("6.12-rc7", "6.12"),
        ("5.10.134-16.al8.x86_64", "5.10.134-18.al8.x86_64"),
    ],
)
def test_order_of_releases(older, newer):
    assert kernels.version_key(older) < kernels.version_key(newer)
