# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that the kernel tests put into the driver still find the text that they replace."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "molecule/kernel"))

from guestkernel.mutants import INJECTIONS, MUTANTS

EDITS = {**INJECTIONS, **{name: mutant.edits for name, mutant in MUTANTS.items()}}


@pytest.mark.parametrize("name", sorted(EDITS))
def test_the_text_to_replace_is_in_the_driver(name):
    for file, changes in EDITS[name].items():
        text = (ROOT / "driver" / file).read_text()
        for old, _new in changes:
            assert old in text, (file, old)
