# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests import the collection, and simulated facts of tests/unit."""

import unit.conftest  # noqa: F401 - makes the checkout importable as the collection
