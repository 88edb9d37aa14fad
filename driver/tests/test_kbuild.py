# SPDX-License-Identifier: GPL-2.0-or-later
"""Feature detection of Kbuild, dkms.conf, and whether the documents list each attribute."""

import re
import subprocess
from pathlib import Path

import pytest

DRIVER = Path(__file__).resolve().parent.parent
HAVE = "-DHAVE_PCI_DRIVER_DEV_GROUPS"

# struct pci_driver as kernels define it, and other places where the name occurs.
PLAIN = """\
struct pci_driver {
	const char *name;
	const struct attribute_group **groups;
	const struct attribute_group **dev_groups;
};
"""
OLD = """\
struct pci_driver {
	const char *name;
	const struct attribute_group **groups;
	struct device_driver driver;
};
"""
ELSEWHERE = OLD + "struct other {\n\tconst struct attribute_group **dev_groups;\n};\n"
COMMENTED = {
    "comment": "/* not backported: const struct attribute_group **dev_groups; */",
    "two lines": "/* not backported, see https://example.org:\n\t * **dev_groups;\n\t */",
    "line comment": "// const struct attribute_group **dev_groups; /* not backported",
    "between comments": "/* a */ int a; /* **dev_groups; */ int b; /* c */",
}
RESERVED = OLD.replace("\tstruct device", "\tCK_KABI_RESERVE(1)\n\tstruct device")


def backport(use: str) -> str:
    return OLD.replace("};", f"\t{use}\n}};")


def flags(folder: Path, header: str | None) -> "subprocess.CompletedProcess[str]":
    """Evaluate Kbuild with a kernel tree that has only this pci.h."""
    tree = folder / "tree"
    (tree / "include/linux").mkdir(parents=True)
    if header is not None:
        (tree / "include/linux/pci.h").write_text(header)
    script = f"srctree := {tree}\ninclude {DRIVER}/Kbuild\n$(info $(ccflags-y))\nall: ;\n"
    (folder / "Makefile").write_text(script)
    return subprocess.run(
        ["make", "-s", "--no-print-directory", "-f", str(folder / "Makefile")],
        capture_output=True, text=True, check=False, timeout=20, stdin=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    "header",
    [
        PLAIN,
        backport("CK_KABI_USE(1, const struct attribute_group **dev_groups)"),
        backport("RH_KABI_USE(1, const struct attribute_group **dev_groups)"),
        backport("KABI_USE(2,const struct attribute_group ** dev_groups )"),
        backport("RH_KABI_EXTEND(const struct attribute_group **dev_groups);"),
        backport("KABI_USE2(1, const struct attribute_group **dev_groups, u32 more)"),
        backport("/* a */ const struct attribute_group **dev_groups; /* see https://b */"),
        backport("int a;\t// see /* b\n\tconst struct attribute_group **dev_groups; // c"),
    ],
    ids=[
        "plain",
        "CK_KABI_USE",
        "RH_KABI_USE",
        "blanks",
        "RH_KABI_EXTEND",
        "KABI_USE2",
        "comments",
        "line comments",
    ],
)
def test_dev_groups_is_found(tmp_path: Path, header: str) -> None:
    done = flags(tmp_path, header)
    assert (done.returncode, done.stdout.split()) == (0, [HAVE]), done.stderr


@pytest.mark.parametrize(
    "header",
    [OLD, ELSEWHERE, RESERVED, *map(backport, COMMENTED.values())],
    ids=["5.10", "elsewhere", "reserved", *COMMENTED],
)
def test_no_dev_groups_is_found_where_none_is(tmp_path: Path, header: str) -> None:
    done = flags(tmp_path, header)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_a_missing_header_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    done = flags(tmp_path, None)
    assert done.returncode != 0
    assert "pci.h is missing: install the headers" in done.stderr


def test_a_header_without_the_struct_is_an_error(tmp_path: Path) -> None:
    """A guess would build a driver without its sysfs attributes."""
    done = flags(tmp_path, "struct pci_driver;\n")
    assert done.returncode != 0
    assert "cannot find struct pci_driver in" in done.stderr


def source_attributes() -> list[str]:
    text = (DRIVER / "cipu_sysfs.c").read_text()
    table = re.search(r"cipu_attrs\[\] = \{(.*?)NULL", text, re.DOTALL)
    assert table is not None
    return re.findall(r"&(?:cipu|dev)_attr_(\w+)\.attr", table[1])


def test_the_abi_page_has_each_attribute() -> None:
    lines = (DRIVER / "upstream/attributes.tsv").read_text().splitlines()
    names = [line.split("\t")[0] for line in lines if not line.startswith("#")]
    assert len(names) == 30
    assert sorted(names) == sorted(source_attributes())


def test_the_user_documentation_has_each_attribute() -> None:
    text = (DRIVER.parent / "docs/device.md").read_text()
    assert not [name for name in source_attributes() if f"`{name}`" not in text]


def dkms_value(name: str) -> str:
    script = f'. {DRIVER}/dkms.conf; printf %s "${{{name}}}"'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, timeout=20
    ).stdout


def test_dkms_makes_no_weak_links() -> None:
    """Q12: DKMS refuses to install over a link, and a link is a module of another kernel."""
    assert dkms_value("NO_WEAK_MODULES") == "yes"


@pytest.mark.parametrize(
    ("kernel", "machine", "builds"),
    [
        ("5.10.0-35-amd64", "x86_64", True),
        ("5.10.134-17.3.al8.x86_64", "x86_64", True),
        ("5.14.0-570.el9.aarch64", "aarch64", True),
        ("6.1.0-0.deb11.21-cloud-amd64", "x86_64", True),
        ("7.3.4+deb13-amd64", "x86_64", True),
        ("10.0.1", "x86_64", True),
        ("4.18.0-553.el8_10.x86_64", "x86_64", False),
        ("4.19.91-28.1.al7.x86_64", "x86_64", False),
        ("5.4.0-200-generic", "x86_64", False),
        ("6.1.0-35-686", "i686", False),
        ("6.1.0-35-armmp", "armv7l", False),
    ],
)
def test_dkms_builds_only_where_the_driver_can_work(
    kernel: str, machine: str, builds: bool
) -> None:
    """The two directives and the way of matching that DKMS 2.8, 3.0 and 3.2 share."""
    script = (
        f". {DRIVER}/dkms.conf; "
        "[[ $BUILD_EXCLUSIVE_KERNEL && ! $1 =~ $BUILD_EXCLUSIVE_KERNEL ]] && exit 77; "
        "[[ $BUILD_EXCLUSIVE_ARCH && ! $2 =~ $BUILD_EXCLUSIVE_ARCH ]] && exit 77; exit 0"
    )
    done = subprocess.run(["bash", "-c", script, "bash", kernel, machine], check=False, timeout=20)
    assert (done.returncode == 0) is builds
