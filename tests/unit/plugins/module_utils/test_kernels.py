# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that can be booted, the one that is next, and the packages of their headers."""

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


def test_next_is_what_the_link_names_else_the_newest(tmp_path):
    tree = host(tmp_path)
    assert kernels.next_to_boot(tree, ["6.9.0", "6.12.1"]) == "6.12.1"
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-6.9.0")
    assert kernels.next_to_boot(tree, ["6.9.0", "6.12.1"]) == "6.9.0"
    assert kernels.next_to_boot(tree, []) is None


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


@pytest.mark.parametrize(
    "os_release, package",
    [
        ("ID=debian\n", "linux-headers-K"),
        ("ID=ubuntu\nID_LIKE=debian\n", "linux-headers-K"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "kernel-devel-K"),
        ('ID="alinux"\nID_LIKE="rhel fedora centos anolis"\n', "kernel-devel-K"),
        ("ID=anolis\n", "kernel-devel-K"),
        ("ID=mine\nID_LIKE=debian\n", "linux-headers-K"),
        ("ID=plan9\n", None),
        ("", None),
    ],
)
def test_package_of_the_headers(tmp_path, os_release, package):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(os_release)
    assert kernels.headers_package(Tree(str(tmp_path)), "K") == package
