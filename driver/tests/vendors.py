# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers as vendors backport them, made from Debian's by small changes.

No vendor's header is copied here. Each fixture shows one fact about them: how a kernel of 5.10 gets
the dev_groups of struct pci_driver through a macro that keeps its binary interface, or how a newer
PTP core gets into an older kernel.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import builds
import trees

_GROUPS = "const struct attribute_group **dev_groups"
_AT = "\tstruct device_driver\tdriver;\n\tstruct pci_dynids\tdynids;\n"
_MACROS = """
#define CK_KABI_USE(n, _new)	union { _new; unsigned long ck_reserved##n; };
#define RH_KABI_EXTEND(_new)	_new;
#define KABI_USE(n, _new)	union { _new; unsigned long kabi_reserved##n; };
"""
# struct ptp_system_timestamp of 7.2, and its two readers.
_SNAPSHOT = """struct ptp_system_timestamp {
	struct system_time_snapshot pre_sts;
	struct system_time_snapshot post_sts;
	clockid_t clockid;
};
"""
# The folder below a kernel's include/ that a fixture changes, and how.
Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Fixture:
    """A vendor's change to the headers of one packaged kernel."""

    name: str
    series: str
    edit: Edit
    refusal: str = ""
    awaits: str = ""


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{path.name} does not contain exactly once: {old}")
    path.write_text(text.replace(old, new), encoding="utf-8")


def _groups(member: str) -> Edit:
    """Add the member to struct pci_driver. The PCI core of such a kernel overwrites the one in
    struct device_driver, so a driver that sets that one loses its sysfs group: it does not compile.
    """

    def edit(linux: Path) -> None:
        _replace(linux / "pci.h", _AT, f"{_AT}{member}")
        _replace(linux / "pci.h", "#define LINUX_PCI_H\n", f"#define LINUX_PCI_H\n{_MACROS}")
        _replace(linux / "device/driver.h", f"{_GROUPS};", f"{_GROUPS}_of_the_core;")

    return edit


def _comment(linux: Path) -> None:
    _replace(linux / "pci.h", _AT, f"{_AT}\t/* not backported: {_GROUPS}; */\n")


def _missing(linux: Path) -> None:
    (linux / "pci.h").unlink()


def _snapshots(linux: Path) -> None:
    """The PTP core of 7.2 in an older kernel, and a clock's operations that grew."""
    header = linux / "ptp_clock_kernel.h"
    text = header.read_text(encoding="utf-8")
    start = text.index("struct ptp_system_timestamp {")
    end = text.index("};\n", start) + 3
    header.write_text(text[:start] + _SNAPSHOT + text[end:], encoding="utf-8")
    for side in ("pre", "post"):
        _replace(
            header,
            f"ktime_get_real_ts64(&sts->{side}_ts);",
            f"ktime_get_snapshot(&sts->{side}_sts);",
        )
    _replace(
        header,
        "\tint (*settime64)(struct ptp_clock_info *p, const struct timespec64 *ts);\n",
        "\tint (*settime64)(struct ptp_clock_info *p, const struct timespec64 *ts);\n"
        "\tint (*getcycles64_vendor)(struct ptp_clock_info *ptp, struct timespec64 *ts);\n"
        "\tunion { int (*added)(struct ptp_clock_info *ptp); unsigned long rh_reserved1; };\n",
    )


def _clockid(linux: Path) -> None:
    """The PTP core of 6.12 in an older kernel: a bracket in any clock, and a longer name."""
    header = linux / "ptp_clock_kernel.h"
    _replace(
        header,
        "\tstruct timespec64 post_ts;\n};\n",
        "\tstruct timespec64 post_ts;\n\tclockid_t clockid;\n};\n",
    )
    for side in ("pre", "post"):
        _replace(
            header,
            f"\tif (sts)\n\t\tktime_get_real_ts64(&sts->{side}_ts);\n",
            "\tif (sts && sts->clockid == CLOCK_MONOTONIC_RAW)\n"
            f"\t\tktime_get_raw_ts64(&sts->{side}_ts);\n"
            f"\telse if (sts)\n\t\tktime_get_real_ts64(&sts->{side}_ts);\n",
        )
    _replace(header, "\tchar name[16];\n", "\tchar name[32];\n")


FIXTURES = (
    Fixture("dev_groups", "5.10.", _groups(f"\t{_GROUPS};\n")),
    Fixture("CK_KABI_USE", "5.10.", _groups(f"\tCK_KABI_USE(1, {_GROUPS})\n")),
    Fixture("RH_KABI_EXTEND", "5.10.", _groups(f"\tRH_KABI_EXTEND({_GROUPS})\n")),
    Fixture("KABI_USE, 2 lines", "5.10.", _groups(f"\tKABI_USE(1,\n\t\t{_GROUPS})\n")),
    Fixture("__GENKSYMS__", "5.10.", _groups(f"#ifndef __GENKSYMS__\n\t{_GROUPS};\n#endif\n")),
    Fixture("only a comment", "5.10.", _comment, awaits="Kbuild reads comments as declarations"),
    Fixture("no pci.h", "5.10.", _missing, refusal="pci.h is missing"),
    Fixture("PTP clockid", "5.10.", _clockid),
    Fixture("PTP snapshots", "6.1.", _snapshots),
)  # fmt: skip


def jobs(all_trees: list[trees.Tree]) -> list[builds.Job]:
    return [_job(fixture, all_trees) for fixture in FIXTURES]


def _job(fixture: Fixture, all_trees: list[trees.Tree]) -> builds.Job:
    tree, release = next(
        (tree, release)
        for tree in all_trees
        for release in tree.releases()
        if release.startswith(fixture.series) and trees.architecture(release) == "amd64"
    )
    # Standard input that never ends, so that a command that reads it by mistake is found.
    endless = "mkfifo /build/endless && exec 3<>/build/endless && timeout 120"
    return builds.Job(
        tree=tree,
        kernel=f"{fixture.series.rstrip('.')} {fixture.name}",
        arch="amd64",
        make=f"{endless} {trees.make_words(release)}",
        headers=f"/lib/modules/{release}/build <&3",
        overlay=lambda tree, folder: _overlay(fixture, tree, release, folder),
        refusal=fixture.refusal,
        awaits=fixture.awaits,
    )


def _overlay(fixture: Fixture, tree: trees.Tree, release: str, folder: Path) -> dict[Path, str]:
    source = (tree.root / "lib/modules" / release / "source").readlink()
    place = f"{str(source).lstrip('/')}/include/linux"
    linux = folder / "linux"
    shutil.copytree(tree.root / place, linux, symlinks=True)
    fixture.edit(linux)
    return {linux: place}
