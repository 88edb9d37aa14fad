# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemas and tables in the docs are the ones that tests/generated writes."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("yaml")
# Of the bench, whose tables are in the docs. The environments of other versions do not have it.
pytest.importorskip("rich")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAM = os.path.join(ROOT, "tests/generated")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a tool of developers, Python 3.11")
@pytest.mark.skipif(not os.path.exists(PROGRAM), reason="the artifact does not contain it")
def test_generated_files_are_current():
    command = [sys.executable, PROGRAM, "--check"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
