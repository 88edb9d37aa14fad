# SPDX-License-Identifier: GPL-3.0-or-later
"""The package lists of a guest."""

import subprocess
import sys
from pathlib import Path

from fleet import recipe
from fleet.trim_lists import stanzas, wanted

AVAILABLE = """\
Package: chrony
Version: 4.3-2
Depends: libc6 (>= 2.34), adduser | systemd-sysusers, time-user, ucf
Description: with a field that
 Depends: nonsense

Package: libc6
Pre-Depends: base-files:any (>= 1)

Package: base-files

Package: adduser

Package: user-maker
Provides: something, time-user (= 1)

Package: tree
Depends: libc6

Package: linux-image-6.1.0-9-cloud-amd64
Depends: kmod, linux-base

Package: linux-image-6.1.0-9-amd64-dbg

Package: linux-base-6.1

Package: kmod
"""

INSTALLED = """\
Package: adduser
Status: install ok installed

Package: own-package
Status: install ok installed
"""


def test_named_and_installed_packages_kernels_and_dependencies_are_kept() -> None:
    kept = wanted(stanzas(AVAILABLE), stanzas(INSTALLED), ["chrony"])
    known = {stanza.split()[1] for stanza in stanzas(AVAILABLE)}
    assert kept & known == {
        "adduser",
        "base-files",
        "chrony",
        "kmod",
        "libc6",
        "linux-base-6.1",
        "linux-image-6.1.0-9-cloud-amd64",
        "user-maker",
    }


def test_lists_of_a_tree_are_trimmed_in_place(tmp_path: Path) -> None:
    lists = tmp_path / "var/lib/apt/lists/mirror_dists_trixie_main_binary-arm64_Packages"
    status = tmp_path / "var/lib/dpkg/status"
    for path, text in ((lists, AVAILABLE), (status, INSTALLED)):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, recipe.TRIM_LISTS, tmp_path, "tree"], check=True)
    kept = [stanza.split()[1] for stanza in stanzas(lists.read_text(encoding="utf-8"))]
    assert "tree" in kept
    assert "chrony" not in kept


def test_packages_in_the_cache_stay_in_the_lists() -> None:
    assert set(recipe.FETCHED) <= set(recipe.KNOWN)
