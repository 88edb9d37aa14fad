# SPDX-License-Identifier: GPL-3.0-or-later
"""Role defaults are validated before a role runs its first task, when no facts have been read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


@pytest.mark.parametrize("role", ROLES)
def test_the_arguments_of_a_role_are_valid_on_a_host_without_facts(tmp_path, role):
    task = {"include_role": {"name": f"cipu.clock.{role}"}}
    # The role's own tasks are not wanted: a tag that none of them has leaves the validation alone.
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{**task, "tags": ["always"]}]}]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(play))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local"]
    done = subprocess.run(
        [*command, "--tags", "none", str(path)], capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    assert "Validating arguments" in text
    assert done.returncode == 0, text


def differences(defaults, options):
    """How defaults/main.yml and an argument spec contradict each other, one sentence each."""
    for name in sorted(defaults.keys() ^ options.keys()):
        place = "the argument spec" if name in defaults else "defaults/main.yml"
        yield f"{name} is missing in {place}"
    for name in sorted(defaults.keys() & options.keys()):
        value, option = defaults[name], options[name]
        if isinstance(value, str) and "{{" in value:
            # Known when the role runs; the spec describes it in words.
            if "default" in option:
                yield f"{name} is calculated, and {option['default']!r} in the argument spec"
            continue
        if "default" not in option:
            yield f"{name} has no default in the argument spec"
        elif option["default"] != value or type(option["default"]) is not type(value):
            yield f"{name} is {value!r}, and {option['default']!r} in the argument spec"
        if not isinstance(value, TYPES[option.get("type", "str")]) or (
            isinstance(value, bool) and option["type"] != "bool"
        ):
            yield f"{name} is {value!r}, and not of type {option['type']}"


TYPES = {
    "str": str,
    "path": str,
    "raw": object,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "list": list,
    "dict": dict,
}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_spec_agree(role):
    folder = ROOT / "roles" / role
    defaults = yaml.safe_load((folder / "defaults/main.yml").read_text())
    specs = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert list(differences(defaults, specs["main"]["options"])) == []


@pytest.mark.parametrize(
    ("defaults", "options", "words"),
    [
        ({"a": 1}, {}, "a is missing in the argument spec"),
        ({}, {"a": {"type": "int"}}, "a is missing in defaults/main.yml"),
        ({"a": 1}, {"a": {"type": "int", "default": 2}}, "a is 1, and 2"),
        ({"a": 1}, {"a": {"type": "int", "default": True}}, "a is 1, and True"),
        ({"a": 1}, {"a": {"type": "int"}}, "a has no default"),
        ({"a": "1"}, {"a": {"type": "int", "default": "1"}}, "not of type int"),
        ({"a": True}, {"a": {"type": "int", "default": True}}, "not of type int"),
        ({"a": "{{ b }}"}, {"a": {"type": "str", "default": "b"}}, "a is calculated"),
    ],
)
def test_each_difference_is_found(defaults, options, words):
    assert any(words in sentence for sentence in differences(defaults, options))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_its_platforms(role):
    info = yaml.safe_load((ROOT / "roles" / role / "meta/main.yml").read_text())["galaxy_info"]
    platforms = {entry["name"]: entry["versions"] for entry in info["platforms"]}
    assert platforms
    assert all(versions and "all" not in versions for versions in platforms.values())
