# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection, the driver and clockprobe are released together, so they have one version."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.search(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(), re.MULTILINE).group(1)
PLACES = {
    "driver/dkms.conf": r'PACKAGE_VERSION="(.*)"',
    "driver/cipu_main.c": r'MODULE_VERSION\("(.*)"\)',
    "native/src/version.h": r'CLOCKPROBE_VERSION "(.*)"',
    "roles/driver/defaults/main.yml": r"cipu_driver_version: (.*)",
}


@pytest.mark.parametrize("path", sorted(PLACES))
def test_every_part_has_the_version_of_the_collection(path):
    assert re.findall(PLACES[path], (ROOT / path).read_text()) == [VERSION]
