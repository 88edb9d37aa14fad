#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the driver as a patch series for the newest packaged kernel source, and check it.

The patches must pass checkpatch.pl --strict and build in the tree without a warning. Author and
Signed-off-by are the identity that git is configured with. Exits 1 if a check fails.
"""

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

UPSTREAM = Path(__file__).resolve().parent
DRIVER = UPSTREAM.parent
sys.path[:0] = [str(DRIVER.parent / "molecule/lab"), str(DRIVER / "tests"), str(UPSTREAM)]

import kernel_source  # noqa: E402  (found by the line above)
import messages  # noqa: E402
from fleet import paths  # noqa: E402
from fleet.errors import LabError  # noqa: E402
from fleet.progress import say  # noqa: E402

FOLDER = "drivers/ptp/cipu"
ABI = "Documentation/ABI/testing/sysfs-driver-ptp-cipu"
TITLE = "ALIBABA CLOUD CIPU PTP CLOCK DRIVER"
SYMBOL = "PTP_1588_CLOCK_CIPU"
_GROUP = "/sys/bus/pci/drivers/ptp_cipu/.../cipu/"
_SECONDS = 900
# Message and files of each commit, in order.
_COMMITS = (
    (messages.ABI, (ABI, "MAINTAINERS")),
    (messages.DRIVER, ("drivers/ptp", "MAINTAINERS")),
)


def run(folder: Path, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS,
        stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if check and done.returncode:
        raise LabError(f"{' '.join(command[:4])} failed.", (done.stdout + done.stderr)[-3000:])
    return done


def identity() -> str:
    """Name and address of the author, as git is configured."""
    done = run(DRIVER, "git", "var", "GIT_AUTHOR_IDENT", check=False)
    if done.returncode:
        raise LabError(
            "git has no identity for the Signed-off-by line.",
            "Set one: git config user.name NAME; git config user.email ADDRESS",
        )
    return done.stdout.rpartition(">")[0] + ">"


# The driver without what only older kernels need


def plain_source(name: str, text: str) -> str:
    """A source file of the driver as the kernel tree wants it."""
    text = text.replace('#include "cipu_compat.h"\n', "")
    text = text.replace(".CIPU_DEV_GROUPS = cipu_groups", ".dev_groups\t= cipu_groups")
    text = re.sub(r'MODULE_VERSION\(".*"\);\n', "", text)
    for leftover in ("HAVE_", "CIPU_DEV_GROUPS", "cipu_compat", "LINUX_VERSION_CODE"):
        if leftover in text:
            raise LabError(f"{name} still contains {leftover}.")
    return text


def makefile() -> str:
    objects = re.search(r"^ptp_cipu-y := (.*)$", (DRIVER / "Kbuild").read_text(), re.MULTILINE)
    if objects is None:
        raise LabError("Kbuild has no list of objects.")
    return (
        # REUSE-IgnoreStart
        "# SPDX-License-Identifier: GPL-2.0-or-later\n\n"
        # REUSE-IgnoreEnd
        f"obj-$(CONFIG_{SYMBOL}) := ptp_cipu.o\n"
        "ptp_cipu-y := \\\n" + " \\\n".join(f"\t{name}" for name in objects[1].split()) + "\n"
    )


def attributes() -> list[tuple[str, str]]:
    """Name and description of each sysfs attribute."""
    lines = (UPSTREAM / "attributes.tsv").read_text(encoding="ascii").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [(name, description) for name, description in pairs]


def abi(version: str, contact: str) -> str:
    """The ABI page: one entry an attribute."""
    month = datetime.datetime.now(datetime.UTC).strftime("%B %Y")
    entries = []
    for name, description in attributes():
        body = "\n".join(f"\t\t{line}" for line in textwrap.wrap(description, 60))
        entries.append(
            f"What:\t\t{_GROUP}{name}\nDate:\t\t{month}\nKernelVersion:\t{version}\n"
            f"Contact:\t{contact}\nDescription:\n{body}\n"
        )
    return "\n".join(entries)


# The files of the tree that already exist


def with_kconfig(text: str) -> str:
    entry = (UPSTREAM / "Kconfig").read_text(encoding="ascii").split("\n", 1)[1].lstrip("\n")
    head, end, tail = text.rpartition("endmenu")
    return f"{head}{entry}\n{end}{tail}"


def with_object(text: str) -> str:
    return text.rstrip("\n") + f"\nobj-$(CONFIG_{SYMBOL})\t+= cipu/\n"


def with_maintainer(text: str, contact: str, files: tuple[str, ...]) -> str:
    """The tree's MAINTAINERS with our section in its alphabetical place."""
    body = f"{TITLE}\nM:\t{contact}\nL:\tnetdev@vger.kernel.org\nS:\tMaintained\n"
    body += "".join(f"F:\t{name}\n" for name in files) + "\n"
    start = text.index("Maintainers List")
    for header in re.finditer(r"(?m)(?<=\n\n)([A-Z0-9][^\n]*)\n(?=[A-Z]:\t)", text[start:]):
        if header[1] > TITLE:
            place = start + header.start()
            return text[:place] + body + text[place:]
    raise LabError("MAINTAINERS has no section after ours.")


def next_version(version: str) -> str:
    """The first release that can contain the driver: 7.3 -> 7.4."""
    major, minor = version.split(".")
    return f"{major}.{int(minor) + 1}"


def edit(path: Path, change: "kernel_source.Change") -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def commit(work: Path, contact: str, message: str, files: tuple[str, ...]) -> None:
    run(work, "git", "add", "--", *files)
    run(work, "git", "commit", "-q", "-s", "-m", message, f"--author={contact}")


def build_series(tree: kernel_source.Tree, work: Path, out: Path) -> list[Path]:
    """Make the commits in a small repository of the touched files, and format them."""
    contact = identity()
    original = (tree.root / "MAINTAINERS").read_text(encoding="utf-8")
    for name in ("drivers/ptp/Kconfig", "drivers/ptp/Makefile", "MAINTAINERS"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.root / name, work / name)
    run(work, "git", "init", "-q")
    name, address = contact.rstrip(">").split(" <")
    run(work, "git", "config", "user.name", name)
    run(work, "git", "config", "user.email", address)
    run(work, "git", "add", ".")
    run(work, "git", "commit", "-q", "-m", f"linux {tree.version}")

    (work / ABI).parent.mkdir(parents=True)
    (work / ABI).write_text(abi(next_version(tree.version), contact), encoding="utf-8")
    first = with_maintainer(original, contact, (ABI,))
    (work / "MAINTAINERS").write_text(first, encoding="utf-8")
    commit(work, contact, *_COMMITS[0])

    (work / FOLDER).mkdir()
    for path in sorted(DRIVER.glob("cipu*.[ch]")):
        if path.name != "cipu_compat.h":
            text = plain_source(path.name, path.read_text(encoding="utf-8"))
            (work / FOLDER / path.name).write_text(text, encoding="utf-8")
    (work / FOLDER / "Makefile").write_text(makefile(), encoding="utf-8")
    edit(work / "drivers/ptp/Kconfig", with_kconfig)
    edit(work / "drivers/ptp/Makefile", with_object)
    both = with_maintainer(original, contact, (ABI, f"{FOLDER}/"))
    (work / "MAINTAINERS").write_text(both, encoding="utf-8")
    commit(work, contact, *_COMMITS[1])

    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.patch"):
        old.unlink()
    run(
        work, "git", "format-patch", "-q", "--cover-letter", "--subject-prefix=PATCH net-next",
        "-o", str(out), f"-{len(_COMMITS)}",
    )  # fmt: skip
    cover = out / "0000-cover-letter.patch"
    subject, blurb = messages.COVER.split("\n\n", 1)
    edit(cover, lambda text: text.replace("*** SUBJECT HERE ***", subject))
    edit(cover, lambda text: text.replace("*** BLURB HERE ***\n", blurb))
    return sorted(out.glob("*.patch"))


def checkpatch(tree: kernel_source.Tree, patches: list[Path]) -> list[str]:
    done = run(
        tree.root, "perl", "scripts/checkpatch.pl", "--strict", "--terse", "--show-types",
        f"--root={tree.root}", *map(str, patches), check=False,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if not line.startswith("total: 0 errors")]
    return said + ([done.stderr.strip()] if done.stderr.strip() else [])


def main() -> int:
    parser = argparse.ArgumentParser(prog="series", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the patches")
    parser.add_argument("--no-build", action="store_true", help="do not compile in the tree")
    options = parser.parse_args()
    tree = kernel_source.ensure()
    out = (options.out or paths.cache() / f"series-{tree.version}").resolve()
    with tempfile.TemporaryDirectory(prefix="series-") as name:
        work = Path(name)
        patches = build_series(tree, work, out)
        # The cover letter is no patch.
        results = {"checkpatch --strict": checkpatch(tree, patches[1:])}
        if not options.no_build:
            for kind in kernel_source.CONFIGS:
                say(f"series: building in linux {tree.version}, {kind}")
                results[f"build, {kind}"] = kernel_source.build(tree, work, kind, SYMBOL)
    for patch in patches:
        print(patch)
    for name, complaints in results.items():
        for complaint in complaints:
            print(f"{name}: {complaint}")
        print(f"{name:<32}{'FAILED' if complaints else 'clean'}")
    failed = sum(1 for complaints in results.values() if complaints)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LabError, subprocess.SubprocessError) as error:
        sys.exit(f"series: {error}")
