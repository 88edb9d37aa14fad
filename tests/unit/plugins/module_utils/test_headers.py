# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of header packages, as in the archive of each distribution."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host import headers
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree


def host(tmp_path, os_release, dpkg=""):
    for name, text in (("etc/os-release", os_release), ("var/lib/dpkg/status", dpkg)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return Tree(str(tmp_path))


DEBIAN = 'ID=debian\nVERSION_ID="{0}"\n'
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="{0}"\n'
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
ALINUX = 'ID="alinux"\nID_LIKE="rhel fedora centos anolis"\nVERSION_ID="3"\n'
SUSE = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n'
ITSELF = object()  # linux-headers-RELEASE

# Release, kernel and what follows it, for each flavour whose package has another name in another
# series. Names of packages as in Ubuntu's security notices.
UBUNTU_FLAVOURS = [
    # Hardware enablement
    ("20.04", "5.4.0-204-generic", "generic"),
    ("20.04", "5.15.0-130-generic", "generic-hwe-20.04"),
    ("22.04", "6.8.0-52-generic", "generic-hwe-22.04"),
    ("22.04", "6.8.0-52-generic-64k", "generic-64k-hwe-22.04"),
    ("24.04", "6.11.0-21-generic", "generic-hwe-24.04"),
    ("24.04", "6.8.0-52-generic-64k", "generic-64k"),
    ("24.04", "6.14.0-27-generic-64k", "generic-64k-hwe-24.04"),
    # OEM
    ("20.04", "5.10.0-1057-oem", "oem-20.04b"),
    ("20.04", "5.14.0-1059-oem", "oem-20.04d"),
    ("22.04", "6.1.0-1036-oem", "oem-22.04c"),
    ("24.04", "6.8.0-1020-oem", "oem-24.04"),
    ("24.04", "6.11.0-1021-oem", "oem-24.04b"),
    # AWS
    ("20.04", "5.4.0-1139-aws", "aws-lts-20.04"),
    ("20.04", "5.15.0-1075-aws", "aws"),
    ("24.04", "6.14.0-1011-aws", "aws"),
    # Azure
    ("20.04", "5.15.0-1079-azure", "azure"),
    ("22.04", "5.15.0-1079-azure", "azure-lts-22.04"),
    ("24.04", "6.8.0-1021-azure", "azure-lts-24.04"),
    ("24.04", "6.11.0-1015-azure", "azure"),
    # GKE
    ("20.04", "5.15.0-1049-gke", "gke-5.15"),
    ("22.04", "5.15.0-1070-gke", "gke"),
    ("24.04", "6.8.0-1016-gke", "gke"),
    # lowlatency
    ("20.04", "5.15.0-130-lowlatency", "lowlatency-hwe-20.04"),
    ("22.04", "5.15.0-130-lowlatency", "lowlatency"),
    ("22.04", "6.8.0-52-lowlatency-64k", "lowlatency-64k-hwe-22.04"),
    ("24.04", "6.8.0-52-lowlatency", "lowlatency"),
    ("24.04", "6.14.0-27-lowlatency", "lowlatency-hwe-24.04"),
]

# os-release, release, package of its headers, meta package
SYSTEMS = [
    (DEBIAN.format(10), "4.19.0-27-amd64", ITSELF, "linux-headers-amd64"),
    (DEBIAN.format(10), "5.10.0-0.deb10.30-amd64", ITSELF, "linux-headers-5.10-amd64"),
    (DEBIAN.format(11), "5.10.0-32-amd64", ITSELF, "linux-headers-amd64"),
    (DEBIAN.format(11), "6.1.0-0.deb11.21-cloud-amd64", ITSELF, "linux-headers-6.1-cloud-amd64"),
    (DEBIAN.format(12), "6.1.0-56-amd64", ITSELF, "linux-headers-amd64"),
    (DEBIAN.format(12), "6.1.0-56-cloud-arm64", ITSELF, "linux-headers-cloud-arm64"),
    (DEBIAN.format(12), "6.1.0-56-rt-amd64", ITSELF, "linux-headers-rt-amd64"),
    (DEBIAN.format(12), "6.12.117+deb12-amd64", ITSELF, "linux-headers-6.12-amd64"),
    (DEBIAN.format(12), "6.12.117+deb12-cloud-amd64", ITSELF, "linux-headers-6.12-cloud-amd64"),
    (DEBIAN.format(12), "6.5.0-0.deb12.4-amd64", ITSELF, None),
    (DEBIAN.format(12), "6.13-rc7-amd64", ITSELF, None),
    (DEBIAN.format(12), "6.1.0-rc2-custom", None, None),
    (DEBIAN.format(12), "6.18.44-acme", None, None),
    (DEBIAN.format(13), "6.12.95+deb13-amd64", ITSELF, "linux-headers-amd64"),
    (DEBIAN.format(13), "6.17.8+deb13-amd64", ITSELF, None),
    (UBUNTU.format("20.04"), "5.15.0-130-generic", ITSELF, "linux-headers-generic-hwe-20.04"),
    (UBUNTU.format("22.04"), "5.15.0-130-generic", ITSELF, "linux-headers-generic"),
    (UBUNTU.format("22.04"), "6.8.0-52-generic", ITSELF, "linux-headers-generic-hwe-22.04"),
    (UBUNTU.format("22.04"), "6.5.0-1027-oem", ITSELF, "linux-headers-oem-22.04d"),
    (UBUNTU.format("22.04"), "5.15.0-1070-gke", ITSELF, "linux-headers-gke"),
    (UBUNTU.format("22.04"), "6.8.0-1021-aws", ITSELF, "linux-headers-aws"),
    (UBUNTU.format("22.04"), "5.15.0-1070-aws", ITSELF, "linux-headers-aws-lts-22.04"),
    (UBUNTU.format("22.04"), "6.8.0-1021-azure", ITSELF, "linux-headers-azure"),
    (UBUNTU.format("22.04"), "6.8.0-52-lowlatency", ITSELF, "linux-headers-lowlatency-hwe-22.04"),
    (UBUNTU.format("24.04"), "6.8.0-31-generic", ITSELF, "linux-headers-generic"),
    (UBUNTU.format("24.04"), "6.14.0-27-generic", ITSELF, "linux-headers-generic-hwe-24.04"),
    (UBUNTU.format("24.04"), "6.8.0-1021-aws", ITSELF, "linux-headers-aws-lts-24.04"),
    (UBUNTU.format("24.04"), "6.14.0-1012-nowhere", ITSELF, None),
    *[
        (UBUNTU.format(version), release, ITSELF, "linux-headers-" + word)
        for version, release, word in UBUNTU_FLAVOURS
    ],
    (UBUNTU.format("24.04"), "6.9.3-acme", None, None),
    (ROCKY, "5.14.0-427.el9.x86_64", "kernel-devel-5.14.0-427.el9.x86_64", "kernel-devel"),
    (
        ROCKY,
        "5.14.0-427.el9.x86_64+debug",
        "kernel-debug-devel-5.14.0-427.el9.x86_64",
        "kernel-debug-devel",
    ),
    (
        ROCKY,
        "5.14.0-427.el9.aarch64+64k",
        "kernel-64k-devel-5.14.0-427.el9.aarch64",
        "kernel-64k-devel",
    ),
    (
        ROCKY,
        "4.18.0-553.rt7.342.el8_10.x86_64",
        "kernel-rt-devel-4.18.0-553.rt7.342.el8_10.x86_64",
        "kernel-rt-devel",
    ),
    (ROCKY, "6.16.0-1.el9.elrepo.x86_64", None, None),
    (ROCKY, "6.16.0", None, None),
    (
        'ID="ol"\nID_LIKE="fedora"\n',
        "5.15.0-200.131.27.el9uek.x86_64",
        "kernel-uek-devel-5.15.0-200.131.27.el9uek.x86_64",
        "kernel-uek-devel",
    ),
    (ALINUX, "5.10.134-16.al8.x86_64", "kernel-devel-5.10.134-16.al8.x86_64", "kernel-devel"),
    (
        "ID=anolis\n",
        "5.10.134-17.an8.aarch64",
        "kernel-devel-5.10.134-17.an8.aarch64",
        "kernel-devel",
    ),
    (SUSE, "6.4.0-150600.23.33-default", "kernel-default-devel", "kernel-default-devel"),
    (SUSE, "6.4.0-150600.23.33-azure", "kernel-azure-devel", "kernel-azure-devel"),
    ("ID=plan9\n", "6.1.0-56-amd64", None, None),
    ("", "6.1.0-56-amd64", None, None),
]


@pytest.mark.parametrize("os_release, release, package, meta", SYSTEMS)
def test_packages_of_the_headers(tmp_path, os_release, release, package, meta):
    tree = host(tmp_path, os_release)
    expected = "linux-headers-" + release if package is ITSELF else package
    assert headers.headers_package(tree, release) == expected
    assert headers.headers_meta(tree, release) == meta


def package(name, depends, status="install ok installed"):
    return "Package: {0}\nStatus: {1}\nVersion: 1\nDepends: {2}\n\n".format(name, status, depends)


@pytest.mark.parametrize(
    "installed, release, meta",
    [
        ("linux-image-virtual", "6.8.0-52-generic", "linux-headers-virtual"),
        ("linux-image-generic-hwe-22.04", "6.8.0-52-generic", "linux-headers-generic-hwe-22.04"),
        # The image's meta package has moved on to a newer kernel than the running one.
        ("linux-image-generic-hwe-22.04", "6.8.0-51-generic", "linux-headers-generic-hwe-22.04"),
        ("linux-image-generic-hwe-22.04", "5.15.0-130-generic", "linux-headers-generic"),
    ],
)
def test_the_installed_meta_package_of_the_image_comes_first(tmp_path, installed, release, meta):
    dpkg = package("linux-image-5.15.0-1-generic", "kmod, linux-base") + package(
        installed, "linux-image-6.8.0-52-generic, linux-modules-extra-6.8.0-52-generic"
    )
    assert headers.headers_meta(host(tmp_path, UBUNTU.format("22.04"), dpkg), release) == meta


def test_a_removed_meta_package_does_not_count(tmp_path):
    dpkg = package(
        "linux-image-virtual", "linux-image-6.8.0-52-generic", "deinstall ok config-files"
    )
    tree = host(tmp_path, UBUNTU.format("22.04"), dpkg)
    assert headers.headers_meta(tree, "6.8.0-52-generic") == "linux-headers-generic-hwe-22.04"


@pytest.mark.parametrize("version, release, word", UBUNTU_FLAVOURS)
def test_an_image_of_each_ubuntu_flavour(tmp_path, version, release, word):
    """As dpkg lists it: image, its meta package, and another meta package that was removed."""
    image, extra = "linux-image-" + release, "linux-modules-extra-" + release
    dpkg = (
        package(image, "kmod, linux-base (>= 4.5ubuntu1), linux-modules-" + release)
        + package("linux-image-" + word, "{0}, {1}, linux-firmware".format(image, extra))
        + package("linux-image-virtual", image, "deinstall ok config-files")
    )
    tree = host(tmp_path, UBUNTU.format(version), dpkg)
    assert headers.headers_package(tree, release) == "linux-headers-" + release
    assert headers.headers_meta(tree, release) == "linux-headers-" + word
    # The next update of the same series has the same package, also before it is installed.
    assert headers.headers_meta(tree, release.replace(".0-", ".0-9", 1)) == "linux-headers-" + word
