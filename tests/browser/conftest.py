# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests import simulated reports of tests/unit, and with them the collection."""

import unit.conftest  # noqa: F401 - makes the checkout importable as the collection
