# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of clock_health is the contract; its action and its docs must say the same."""

import os

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.options import ARGUMENT_SPEC
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import (
    THRESHOLDS,
    complete,
)

yaml = pytest.importorskip("yaml")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
COMPARED = ("type", "elements", "default", "choices", "required")


def documented():
    with open(os.path.join(ROOT, "plugins/modules/clock_health.py")) as module:
        source = module.read()
    block = source.split('DOCUMENTATION = r"""')[1].split('"""')[0]
    return yaml.safe_load(block)["options"]


def compared(spec):
    return {key: spec[key] for key in COMPARED if key in spec}


def test_the_documentation_of_options_matches_the_code():
    options = documented()
    assert set(options) == set(ARGUMENT_SPEC)
    for name, spec in ARGUMENT_SPEC.items():
        assert compared(options[name]) == compared(spec), name


def test_the_documentation_of_thresholds_matches_the_code():
    options = documented()["thresholds"]["suboptions"]
    assert set(options) == set(THRESHOLDS)
    for name, spec in THRESHOLDS.items():
        assert compared(options[name]) == compared(spec), name
        assert options[name]["description"]


@pytest.mark.parametrize("name", sorted(THRESHOLDS))
def test_a_threshold_has_its_unit_in_its_name(name):
    units = ("_ns", "_s", "_pct", "_ppm", "_hosts", "_intervals")
    assert name.endswith(units) or name in {"clocksources", "pinned_driver_version"}


def test_thresholds_not_given_are_the_defaults():
    assert complete({"offset_warn_ns": 7, "skew_warn_ppm": None, "no_such": 1}) == dict(
        complete(), offset_warn_ns=7
    )


def test_every_check_has_advice():
    for check in CHECKS:
        assert check.advice.endswith(".")
        assert check.warns or check.fails
        assert check.source
