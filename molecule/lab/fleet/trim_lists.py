# SPDX-License-Identifier: GPL-3.0-or-later
"""Shortens apt's package lists in a guest's tree: trim_lists.py TREE PACKAGE...

Every call of apt reads all 60,000 packages of a Debian, which takes a minute under emulation. A lab
installs a few hundred at most: those that are installed, those named on the command line, all
kernels, and their dependencies. `apt-get update` in a guest fetches the complete lists.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

LISTS = "var/lib/apt/lists"
STATUS = "var/lib/dpkg/status"
KERNELS = re.compile(r"linux-(image|headers|kbuild|compiler|base|binary|modules|bpf)\b(?!.*-dbg)")
NEEDS = ("Pre-Depends", "Depends")
WORD = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def stanzas(text: str) -> Iterator[str]:
    """The packages of a list, as text."""
    return (part for part in text.split("\n\n") if part.strip())


def field(stanza: str, name: str) -> str:
    """One field, without its continuation lines: the fields asked for have none."""
    found = re.search(rf"^{name}: *(.*)$", stanza, re.MULTILINE)
    return found[1] if found else ""


def names(relation: str) -> Iterator[str]:
    """Every package that a relation names, whatever the alternative."""
    for part in re.split(r"[,|]", relation):
        found = WORD.match(part.strip())
        if found:
            yield found[0]


def wanted(available: Iterable[str], installed: Iterable[str], named: Iterable[str]) -> set[str]:
    """Names to keep."""
    needs: dict[str, set[str]] = defaultdict(set)
    providers: dict[str, set[str]] = defaultdict(set)
    for stanza in available:
        package = field(stanza, "Package")
        for relation in NEEDS:
            needs[package].update(names(field(stanza, relation)))
        for virtual in names(field(stanza, "Provides")):
            providers[virtual].add(package)
    kernels = [package for package in needs if KERNELS.match(package)]
    waiting = [*(field(stanza, "Package") for stanza in installed), *named, *kernels]
    kept: set[str] = set()
    while waiting:
        package = waiting.pop()
        if package in kept:
            continue
        kept.add(package)
        waiting += needs[package] if package in needs else providers[package]
    return kept


def main() -> None:
    tree = Path(sys.argv[1])
    lists = {path: path.read_text(encoding="utf-8") for path in (tree / LISTS).glob("*_Packages")}
    available = [stanza for text in lists.values() for stanza in stanzas(text)]
    installed = stanzas((tree / STATUS).read_text(encoding="utf-8"))
    kept = wanted(available, installed, sys.argv[2:])
    for path, text in lists.items():
        stay = [stanza for stanza in stanzas(text) if field(stanza, "Package") in kept]
        path.write_text("".join(f"{stanza.strip()}\n\n" for stanza in stay), encoding="utf-8")


if __name__ == "__main__":
    main()
