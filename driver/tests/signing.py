# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign the built module with SHA-512, compress it with xz and zstd, and read it with modinfo."""

from pathlib import Path

import builds
import trees

_SIGNER = "A key of the test"
_SECONDS = 120
# What the kernel can decompress: xz with the CRC32 check alone.
_COMPRESS = {".xz": "xz --check=crc32 --keep", ".zst": "zstd --quiet --keep"}
_EXPECTED = {"sig_hashalgo": "sha512", "signer": _SIGNER, "name": "ptp_cipu"}


def check(release: str) -> builds.Check:
    """The check for a module that was built for this release."""
    return lambda tree, build: _check(tree, build, release)


def _check(tree: trees.Tree, build: Path, release: str) -> dict[str, list[str]]:
    key = (
        "openssl req -new -x509 -newkey rsa:2048 -nodes -sha512 -days 1 -batch "
        f'-subj "/CN={_SIGNER}" -keyout key.pem -outform DER -out cert.der'
    )
    sign = f"/lib/modules/{release}/build/scripts/sign-file sha512 key.pem cert.der {builds.MODULE}"
    unsigned = _field(tree, build, builds.MODULE, "srcversion")
    results = {"sha512": _failure(tree, build, f"{key} && {sign}")}
    results["sha512"] += _mismatches(tree, build, builds.MODULE, unsigned)
    for suffix, compress in _COMPRESS.items():
        name = builds.MODULE + suffix
        results[suffix] = _failure(tree, build, f"{compress} {builds.MODULE}")
        results[suffix] += _mismatches(tree, build, name, unsigned)
    return results


def _failure(tree: trees.Tree, build: Path, command: str) -> list[str]:
    done = trees.run(tree, build, command, _SECONDS)
    return [f"{command}: {done.stderr.strip()}"] if done.returncode else []


def _field(tree: trees.Tree, build: Path, name: str, field: str) -> str:
    return trees.run(tree, build, f"modinfo -F {field} ./{name}", _SECONDS).stdout.strip()


def _mismatches(tree: trees.Tree, build: Path, name: str, srcversion: str) -> list[str]:
    expected = {**_EXPECTED, "srcversion": srcversion}
    found = {field: _field(tree, build, name, field) for field in expected}
    return [
        f"{name}: {field} is {found[field]!r}, not {value!r}"
        for field, value in expected.items()
        if found[field] != value or not value
    ]
