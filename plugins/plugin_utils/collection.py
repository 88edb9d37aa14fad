# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection itself, as installed or as a checkout."""

from __future__ import annotations

import os
import re

COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def version() -> str:
    """Version of the collection, as installed or as a checkout."""
    for name in ("MANIFEST.json", "galaxy.yml"):
        try:
            with open(os.path.join(COLLECTION, name), encoding="utf-8") as source:
                found = re.search(r'^\s*"?version"?: "?([0-9][0-9A-Za-z.+-]*)', source.read(), re.M)
        except OSError:
            continue
        if found:
            return found.group(1)[:32]
    return "unknown"
