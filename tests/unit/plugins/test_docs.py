# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/health.md has every check and threshold, with the text and the defaults of the code."""

import os

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import STATES
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import THRESHOLDS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

with open(os.path.join(ROOT, "docs/health.md")) as source:
    LINES = source.read().splitlines()


def rows():
    """First cell -> the other cells."""
    cells = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in LINES if line[:1] == "|"
    )
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_the_documentation_of_a_check_matches_the_code(check):
    cells = [check.source, check.unit, check.warns, check.fails, check.advice]
    assert rows()[check.name] == [words or "" for words in cells]


@pytest.mark.parametrize("name", sorted(THRESHOLDS))
def test_the_documentation_of_a_threshold_matches_the_code(name):
    default = THRESHOLDS[name].get("default", "")
    shown = ", ".join(default) if isinstance(default, list) else str(default)
    assert rows()[name][0] == shown


def test_every_state_is_documented():
    assert {*STATES, "NOT_APPLICABLE"} <= set(rows())
