# SPDX-License-Identifier: GPL-3.0-or-later
"""The written schemas of docs/schema, as validators."""

import json
import os

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def validator(name):
    """A validator of the schema; skips the tests of a module where jsonschema is not installed."""
    jsonschema = pytest.importorskip("jsonschema")
    with open(os.path.join(ROOT, "docs/schema", name)) as source:
        schema = json.load(source)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)
