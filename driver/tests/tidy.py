# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-tidy over the driver, with the headers and macros of a kernel it was just built for.

The checks are in driver/.clang-tidy. The build uses gcc, so only those of its options are passed
on that decide what the code means. clang-tidy is this machine's; the headers are those of the tree.
"""

import re
import shlex
import subprocess
from pathlib import Path

import builds
import trees
from fleet import host

_CONFIG = builds.DRIVER / ".clang-tidy"
_SECONDS = 900
_WANTED = re.compile(r"-nostdinc|-[ID].*|-std=.*|-m64|-fshort-wchar")
_COMPLAINT = re.compile(r"^\S+:\d+:\d+: (?:warning|error): |^error: ")


def check(release: str) -> builds.Check:
    """The check for a module that was built for this release."""
    return lambda tree, build: {"clang-tidy": _check(tree, build, release)}


def _check(tree: trees.Tree, build: Path, release: str) -> list[str]:
    objects = tree.root / f"usr/src/linux-headers-{release}"
    complaints = []
    for source in sorted(build.glob("cipu_*.c")):
        options = _options(build / f".{source.stem}.o.cmd", tree.root)
        command = [
            *(host.program("clang-tidy"), "--quiet", f"--config-file={_CONFIG}", str(source)),
            *("--", *options, "-Wno-everything"),
        ]
        done = subprocess.run(
            command, cwd=objects, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        found = [line for line in done.stdout.splitlines() if _COMPLAINT.match(line)]
        if done.returncode and not found:
            found = [f"{source.name}: clang-tidy exited {done.returncode}: {done.stderr[-500:]}"]
        complaints += [line.replace(f"{build}/", "") for line in found if not _of_kernel(line)]
    return complaints


def _of_kernel(line: str) -> bool:
    """Whether a check complains of a header of the kernel. Code that cannot be read is no such."""
    return "/usr/src/linux-headers-" in line and "[clang-diagnostic-error" not in line


def _options(recorded: Path, root: Path) -> list[str]:
    """The options of kbuild's compiler command for one file, with paths into the tree."""
    command = recorded.read_text(encoding="utf-8").splitlines()[0].partition(":=")[2]
    words = iter(shlex.split(command.partition(" ; ")[0]))
    options = []
    for word in words:
        if word == "-include":
            options += [word, _in_tree(next(words), root)]
        elif _WANTED.fullmatch(word):
            options.append("-I" + _in_tree(word[2:], root) if word.startswith("-I") else word)
    return options


def _in_tree(path: str, root: Path) -> str:
    return f"{root}{path}" if path.startswith("/") else path
