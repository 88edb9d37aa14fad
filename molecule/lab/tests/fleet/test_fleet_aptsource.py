# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's apt configuration, in both formats."""

from pathlib import Path

import pytest
from fleet.aptsource import Entry, find_mirror, host_entries, parse_deb822, parse_list
from fleet.errors import LabError

DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://one.example/debian http://two.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm

types: deb
uris: http://sec.example/debian-security
suites: bookworm-security
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
"""

LIST = """\
# deb http://comment.example/debian bookworm main
deb http://one.example/debian/ bookworm main contrib # and more
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/keyring.gpg] http://other.example/apt nodistro main
deb http://sec.example/debian-security bookworm-security main
deb broken
"""


def test_deb822_skips_disabled_and_source_entries() -> None:
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    suites = ("bookworm", "bookworm-updates")
    assert parse_deb822(DEB822) == [
        Entry("http://one.example/debian", suites, keyring),
        Entry("http://two.example/debian/", suites, keyring),
        Entry("http://sec.example/debian-security", ("bookworm-security",), None),
    ]


def test_list_entries_have_options() -> None:
    assert parse_list(LIST) == [
        Entry("http://one.example/debian/", ("bookworm",), None),
        Entry("http://other.example/apt", ("nodistro",), "/etc/keyring.gpg"),
        Entry("http://sec.example/debian-security", ("bookworm-security",), None),
    ]


@pytest.mark.parametrize(("name", "text"), [("d.sources", DEB822), ("d.list", LIST)])
def test_the_mirror_is_found_in_the_hosts_configuration(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text, encoding="ascii")
    (tmp_path / "sources.list.d" / "old.list.save").write_text("deb http://x.example/ sid main")
    keyring = tmp_path / "keyring.gpg"
    mirror = find_mirror(host_entries(tmp_path), {"CIPU_DEBIAN_KEYRING": str(keyring)})
    assert mirror.main == "http://one.example/debian"
    assert mirror.security == "http://sec.example/debian-security"
    assert mirror.sources("trixie", updates=False, backports=True) == [
        f"deb [signed-by={keyring}] http://one.example/debian trixie main",
        f"deb [signed-by={keyring}] http://one.example/debian trixie-backports main",
    ]


def test_the_mirror_of_the_environment_has_priority() -> None:
    environ = {"CIPU_DEBIAN_MIRROR": "http://own.example/debian/", "CIPU_DEBIAN_KEYRING": "/k"}
    mirror = find_mirror(parse_list(LIST), environ)
    assert (mirror.main, mirror.security, mirror.keyring) == (
        "http://own.example/debian",
        "http://own.example/debian-security",
        "/k",
    )


def test_a_missing_mirror_is_reported_with_the_variable(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="CIPU_DEBIAN_MIRROR"):
        find_mirror(host_entries(tmp_path), {})
