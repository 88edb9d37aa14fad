# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of the modules: action group, attributes, links, a sample of each returned value."""

import ast
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py"))
FRAGMENT = "cipu.clock.attributes"
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent"}
TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}


def assigned(path, name):
    """The text that a Python file assigns to a name, without running the file."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(node.value)) or {}
    raise AssertionError(f"{path} has no {name}")


def documentation(module):
    return assigned(f"plugins/modules/{module}.py", "DOCUMENTATION")


def returned(items, path=()):
    """(path, entry) of each returned value that is not described by its parts."""
    for name, entry in items.items():
        if "contains" in entry:
            yield from returned(entry["contains"], (*path, name))
        else:
            yield ".".join((*path, name)), entry


def test_the_action_group_has_every_module():
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    assert sorted(groups["clock"]) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_declares_its_attributes(module):
    described = documentation(module)
    fragments = described["extends_documentation_fragment"]
    assert f"{FRAGMENT}.actiongroup_clock" in fragments
    declared = set(described.get("attributes", {}))
    if f"{FRAGMENT}.facts" in fragments:
        declared |= set(assigned("plugins/doc_fragments/attributes.py", "FACTS")["attributes"])
    assert declared >= ATTRIBUTES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_links_to_related_modules(module):
    links = [link["module"] for link in documentation(module).get("seealso", [])]
    assert links
    for link in links:
        collection, _, name = link.rpartition(".")
        assert collection == "ansible.builtin" or (collection == "cipu.clock" and name in MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_every_returned_value_has_a_sample_of_its_type(module):
    for path, entry in returned(assigned(f"plugins/modules/{module}.py", "RETURN")):
        assert "sample" in entry, path
        if entry["sample"] is not None and entry["type"] in TYPES:
            assert isinstance(entry["sample"], TYPES[entry["type"]]), path


def without_required(schema):
    """A sample shows some fields; those that it shows must be fields of the schema."""
    if isinstance(schema, dict):
        return {key: without_required(value) for key, value in schema.items() if key != "required"}
    return [without_required(item) for item in schema] if isinstance(schema, list) else schema


def test_the_samples_of_facts_agree_with_their_schema():
    facts = assigned("plugins/modules/clock_facts.py", "RETURN")["ansible_facts"]["contains"]
    fields = facts["cipu_clock"]["contains"]
    schema = json.loads((ROOT / "docs/schema/facts-v1.json").read_text())
    sample = {name: entry["sample"] for name, entry in fields.items()}
    jsonschema.validate(sample, without_required(schema))
