# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages contain the headers of a kernel. Names are never guessed."""

import re

DPKG_STATUS = "/var/lib/dpkg/status"
DPKG_STATUS_LIMIT = 32 * 1024 * 1024

# A release in the form of its distribution: series, the rest of the version, flavour.
DEBIAN_RELEASE = re.compile(
    r"(?P<series>[0-9]+\.[0-9]+)"
    r"(?P<rest>[0-9.]*(?:-rc[0-9]+)?(?:-[0-9][0-9a-z.+~]*|\+[0-9a-z][0-9a-z.+~]*)?)"
    r"-(?P<flavour>(?:cloud-|rt-)?(?:amd64|arm64|armmp|armmp-lpae|686|686-pae|riscv64|loong64"
    r"|powerpc64le|s390x|arm64-16k))$"
)
UBUNTU_RELEASE = re.compile(
    r"(?P<series>[0-9]+\.[0-9]+)\.[0-9]+-(?P<rest>[0-9]+)-(?P<flavour>[a-z][a-z0-9-]*)$"
)
RHEL_RELEASE = re.compile(
    r"(?P<series>[0-9]+\.[0-9]+)\.[0-9]+-(?P<rest>\S+?\.(?:el|fc|al|an|oe|lns)[0-9][^+\s]*?)"
    r"(?:\+(?P<flavour>[a-z0-9]+(?:-debug)?))?$"
)
SUSE_RELEASE = re.compile(
    r"(?P<series>[0-9]+\.[0-9]+)\.[0-9]+-(?P<rest>\S+)-(?P<flavour>default|azure|rt|64kb)$"
)

# Debian release -> series of its own kernel, and of the one that its security archive adds.
DEBIAN_SERIES = {
    "10": ("4.19", "5.10"),
    "11": ("5.10", "6.1"),
    "12": ("6.1", "6.12"),
    "13": ("6.12", None),
}

# Ubuntu release -> flavour -> kernel series -> meta package. Only used where dpkg does not name
# the image's meta package. Clouds move their plain meta package on to the newest series.
UBUNTU_META = {
    "20.04": {
        "generic": {"5.4": "generic", "5.15": "generic-hwe-20.04"},
        "lowlatency": {"5.4": "lowlatency", "5.15": "lowlatency-hwe-20.04"},
        "aws": {"5.4": "aws-lts-20.04", "5.15": "aws"},
        "azure": {"5.4": "azure-lts-20.04", "5.15": "azure"},
        "gcp": {"5.4": "gcp-lts-20.04", "5.15": "gcp"},
        "oracle": {"5.4": "oracle-lts-20.04", "5.15": "oracle"},
        "gke": {"5.4": "gke-5.4", "5.15": "gke-5.15"},
        "oem": {
            "5.6": "oem-20.04",
            "5.10": "oem-20.04b",
            "5.13": "oem-20.04c",
            "5.14": "oem-20.04d",
        },
    },
    "22.04": {
        "generic": {"5.15": "generic", "6.8": "generic-hwe-22.04"},
        "generic-64k": {"5.15": "generic-64k", "6.8": "generic-64k-hwe-22.04"},
        "lowlatency": {"5.15": "lowlatency", "6.8": "lowlatency-hwe-22.04"},
        "lowlatency-64k": {"5.15": "lowlatency-64k", "6.8": "lowlatency-64k-hwe-22.04"},
        "aws": {"5.15": "aws-lts-22.04", "6.8": "aws"},
        "azure": {"5.15": "azure-lts-22.04", "6.8": "azure"},
        "gcp": {"5.15": "gcp-lts-22.04", "6.8": "gcp"},
        "oracle": {"5.15": "oracle-lts-22.04", "6.8": "oracle"},
        "gke": {"5.15": "gke"},
        "oem": {"5.17": "oem-22.04", "6.0": "oem-22.04b", "6.1": "oem-22.04c", "6.5": "oem-22.04d"},
    },
    "24.04": {
        "generic": {"6.8": "generic"},
        "generic-64k": {"6.8": "generic-64k"},
        "lowlatency": {"6.8": "lowlatency"},
        "lowlatency-64k": {"6.8": "lowlatency-64k"},
        "aws": {"6.8": "aws-lts-24.04"},
        "azure": {"6.8": "azure-lts-24.04"},
        "gcp": {"6.8": "gcp-lts-24.04"},
        "oracle": {"6.8": "oracle-lts-24.04"},
        "gke": {"6.8": "gke"},
        "oem": {"6.8": "oem-24.04", "6.11": "oem-24.04b", "6.14": "oem-24.04c"},
    },
}
# What follows the newest kernel of a release that still gets newer ones, by flavour: hardware
# enablement, and the plain names of clouds. Older series of such a release are in UBUNTU_META.
UBUNTU_ROLLING = {
    "24.04": {
        "generic": "generic-hwe-24.04",
        "generic-64k": "generic-64k-hwe-24.04",
        "lowlatency": "lowlatency-hwe-24.04",
        "lowlatency-64k": "lowlatency-64k-hwe-24.04",
        "aws": "aws",
        "azure": "azure",
        "gcp": "gcp",
        "oracle": "oracle",
    }
}

RHEL_IDS = ("rhel", "fedora", "centos", "anolis", "alinux", "rocky", "almalinux", "ol", "openeuler")
SUSE_IDS = ("suse", "sles", "sled", "opensuse", "opensuse-leap", "opensuse-tumbleweed")
# Part between "kernel" and "devel" in RHEL's package names, for a release that ends with "+word".
RHEL_FLAVOURS = {
    None: "",
    "debug": "debug-",
    "rt": "rt-",
    "rt-debug": "rt-debug-",
    "64k": "64k-",
    "64k-debug": "64k-debug-",
}


def os_release(tree):
    """The fields of os-release, unquoted."""
    text = tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in fields.items()}


def os_family(tree):
    """One of debian, ubuntu, rhel, suse, or None; the system's own ID first, then ID_LIKE."""
    fields = os_release(tree)
    for word in (fields.get("ID", "") + " " + fields.get("ID_LIKE", "")).lower().split():
        if word in {"debian", "ubuntu"}:
            return word
        if word in RHEL_IDS:
            return "rhel"
        if word in SUSE_IDS:
            return "suse"
    return None


def headers_package(tree, release):
    """Name of the package with the headers of that kernel; None where none is known."""
    family = os_family(tree)
    if family in {"debian", "ubuntu"}:
        pattern = DEBIAN_RELEASE if family == "debian" else UBUNTU_RELEASE
        return "linux-headers-" + release if pattern.match(release) else None
    if family == "rhel":
        return _rhel_package(release, True)
    return _suse_package(release) if family == "suse" else None


def headers_meta(tree, release):
    """Name of the meta package that follows that kernel's flavour; None for custom kernels."""
    family = os_family(tree)
    if family == "rhel":
        return _rhel_package(release, False)
    if family == "suse":
        return _suse_package(release)
    patterns = {"debian": DEBIAN_RELEASE, "ubuntu": UBUNTU_RELEASE}
    found = patterns[family].match(release) if family else None
    if found is None:
        return None
    fields = os_release(tree)
    own_id, version = fields.get("ID"), fields.get("VERSION_ID", "")
    if own_id == "debian" and version in DEBIAN_SERIES:
        return _debian_meta(version, found)
    meta = _meta_of_image(tree, release, found, patterns[family])
    return meta or (_ubuntu_meta(version, found) if own_id == "ubuntu" else None)


def _debian_meta(version, found):
    """The archive's plain name follows the release's own series only."""
    own, added = DEBIAN_SERIES[version]
    series, flavour = found.group("series"), found.group("flavour")
    if "-rc" in found.group("rest"):
        return None
    if series == own:
        return "linux-headers-" + flavour
    return "linux-headers-{0}-{1}".format(series, flavour) if series == added else None


def _ubuntu_meta(version, found):
    series, flavour = found.group("series"), found.group("flavour")
    word = UBUNTU_META.get(version, {}).get(flavour, {}).get(series)
    word = word or UBUNTU_ROLLING.get(version, {}).get(flavour)
    return "linux-headers-" + word if word else None


def _meta_of_image(tree, release, found, pattern):
    """From the installed meta package of the image: linux-image-X gives linux-headers-X."""
    exact, alike = None, None
    for name, depends in _installed_images(tree):
        for image in re.findall(r"\blinux-image-(?:unsigned-)?([0-9][^\s,|()]*)", depends):
            meta = "linux-headers-" + name[len("linux-image-") :]
            if image == release:
                exact = exact or meta
            other = pattern.match(image)
            if other and all(
                other.group(part) == found.group(part) for part in ("series", "flavour")
            ):
                alike = alike or meta
    return exact or alike


def _installed_images(tree):
    """(name, dependencies) of installed packages linux-image-*, as dpkg lists them."""
    text = tree.text(DPKG_STATUS, DPKG_STATUS_LIMIT) or ""
    for found in re.finditer(r"^Package: (linux-image-\S+)\n((?:.+\n)*)", text, re.MULTILINE):
        name, fields = found.groups()
        installed = re.search(r"^Status: \S+ ok installed$", fields, re.MULTILINE)
        depends = re.search(r"^Depends: (.*)$", fields, re.MULTILINE)
        if installed and depends:
            yield name, depends.group(1)


def _rhel_package(release, with_release):
    found = RHEL_RELEASE.match(release)
    if found is None or found.group("flavour") not in RHEL_FLAVOURS or "elrepo" in release:
        return None
    base = release.partition("+")[0]
    word = RHEL_FLAVOURS[found.group("flavour")]
    if "uek" in found.group("rest"):
        word = "uek-" + word
    elif re.search(r"\.rt[0-9]", found.group("rest")):
        word = "rt-" + word
    return "kernel-{0}devel{1}".format(word, "-" + base if with_release else "")


def _suse_package(release):
    """The name without a version: the package's last number is not part of the release."""
    found = SUSE_RELEASE.match(release)
    return "kernel-{0}-devel".format(found.group("flavour")) if found else None
