# SPDX-License-Identifier: GPL-3.0-or-later
"""The package mirror and its keyring, from the host's apt configuration."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

KEYRINGS = Path("/usr/share/keyrings")
_DEBIAN_SUITES = (
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "stable",
    "testing",
    "oldstable",
)


@dataclass(frozen=True)
class Entry:
    """One archive of a host's apt configuration."""

    uri: str
    suites: tuple[str, ...]
    signed_by: str | None = None


@dataclass(frozen=True)
class Mirror:
    """The address of Debian's packages, and the keyring to verify them."""

    main: str
    security: str
    keyring: str

    def sources(self, suite: str, *, updates: bool = True, backports: bool = False) -> list[str]:
        """Lines for sources.list of a release."""
        head = f"deb [signed-by={self.keyring}]"
        lines = [f"{head} {self.main} {suite} main"]
        if updates:
            lines.append(f"{head} {self.main} {suite}-updates main")
            lines.append(f"{head} {self.security} {suite}-security main")
        if backports:
            lines.append(f"{head} {self.main} {suite}-backports main")
        return lines


def parse_deb822(text: str) -> list[Entry]:
    """Entries of a .sources file."""
    entries: list[Entry] = []
    for stanza in _stanzas(text):
        if "deb" not in stanza.get("types", "").split() or stanza.get("enabled", "yes") == "no":
            continue
        signed_by = stanza.get("signed-by")
        # The field may contain the key itself instead of a path.
        path = signed_by if signed_by and signed_by.startswith("/") else None
        suites = tuple(stanza.get("suites", "").split())
        entries += [Entry(uri, suites, path) for uri in stanza.get("uris", "").split()]
    return entries


def _stanzas(text: str) -> list[dict[str, str]]:
    stanzas: list[dict[str, str]] = [{}]
    field = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            stanzas.append({})
        elif line[0] in " \t":
            if field in stanzas[-1]:
                stanzas[-1][field] += "\n" + line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            field = name.strip().lower()
            stanzas[-1][field] = value.strip()
    return [stanza for stanza in stanzas if stanza]


def parse_list(text: str) -> list[Entry]:
    """Entries of a one-line .list file."""
    entries: list[Entry] = []
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        if not line.startswith("deb "):
            continue
        line = line[4:].strip()
        signed_by = None
        if line.startswith("["):
            options, _, line = line[1:].partition("]")
            for option in options.split():
                name, _, value = option.partition("=")
                if name == "signed-by" and value.startswith("/"):
                    signed_by = value
        words = line.split()
        if len(words) >= 2:
            entries.append(Entry(words[0], (words[1],), signed_by))
    return entries


def host_entries(etc: Path = Path("/etc/apt")) -> list[Entry]:
    """All archives of the host's apt configuration."""
    entries: list[Entry] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path.suffix == ".sources":
            entries += parse_deb822(text)
        elif path.suffix == ".list":
            entries += parse_list(text)
    return entries


def find_mirror(entries: list[Entry], environ: dict[str, str] | None = None) -> Mirror:
    """The mirror in CIPU_DEBIAN_MIRROR, or the one that the host's apt uses for Debian."""
    environ = dict(os.environ) if environ is None else environ
    debian = [entry for entry in entries if any(_is_main(suite) for suite in entry.suites)]
    named = environ.get("CIPU_DEBIAN_MIRROR", "").rstrip("/")
    if not named and not debian:
        raise LabError(
            "The host's apt configuration has no Debian mirror.",
            "Set one: export CIPU_DEBIAN_MIRROR=<address of a Debian archive>",
        )
    main = named or debian[0].uri.rstrip("/")
    security = [
        entry.uri.rstrip("/")
        for entry in entries
        if any(suite.endswith("-security") for suite in entry.suites)
    ]
    return Mirror(
        main=main,
        # By convention a mirror has security updates next to the archive.
        security=f"{main}-security" if named or not security else security[0],
        keyring=environ.get("CIPU_DEBIAN_KEYRING") or _keyring(debian),
    )


def _is_main(suite: str) -> bool:
    return suite in _DEBIAN_SUITES


def _keyring(entries: list[Entry]) -> str:
    # The keyring package has the keys of every release, a host's own keyring perhaps only its own.
    common = KEYRINGS / "debian-archive-keyring.gpg"
    candidates = [str(common), *(entry.signed_by for entry in entries if entry.signed_by)]
    for candidate in candidates:
        if Path(candidate).exists():
            return candidate
    raise LabError(
        "No keyring to verify Debian's packages was found.",
        "Install it with: apt-get install -y debian-archive-keyring",
    )


def carried_options() -> list[str]:
    """Settings of the host's apt that are necessary to reach its mirror."""
    wanted = (
        "Acquire::Check-Valid-Until",
        "Acquire::Check-Date",
        "Acquire::http",
        "Acquire::https",
    )
    try:
        dump = subprocess.run(
            ["apt-config", "dump"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    options = []
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        if value not in ('"";', "") and any(
            name == want or name.startswith(f"{want}::") for want in wanted
        ):
            options.append(line.removesuffix(";"))
    return options
