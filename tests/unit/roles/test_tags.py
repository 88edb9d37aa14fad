# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of the roles: each role and phase has one, and one tag alone applies no part of a phase."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
PHASES = ("preflight", "install", "configure", "run")
IMPORT = ("import_tasks", "ansible.builtin.import_tasks")
INCLUDE = ("include_tasks", "ansible.builtin.include_tasks")
# Files whose tasks are the phases, each with its own tags.
LISTS_OF_PHASES = ("main.yml", "present.yml")


def listed(value):
    return [value] if isinstance(value, str) else list(value or [])


def read(role, name):
    return yaml.safe_load((ROOT / "roles" / role / "tasks" / name).read_text()) or []


def target(task, verbs):
    """The file that the task includes, and the tags that its tasks inherit."""
    for verb in verbs:
        if verb in task:
            value = task[verb]
            if isinstance(value, str):
                return value, set()
            return value["file"], set(listed(value.get("apply", {}).get("tags")))
    return None, set()


def files_of(role, name):
    """A file name, or all files that a name with a variable may stand for."""
    if "{{" not in name:
        return [name]
    assert "cipu_driver_method == 'package'" in name, name
    return ["package.yml", "each.yml", "once.yml"]


def flat(tasks, inherited):
    """(task, tags, inherited tags) of every task, with those of its block; no file is followed."""
    for task in tasks:
        tags = inherited | set(listed(task.get("tags")))
        if "block" in task:
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part, []), tags)
        else:
            yield task, tags, inherited


def walk(role, name, inherited):
    """(file, task, tags, inherited tags) of every task, through all includes and imports.

    Tasks inherit the tags of an import. Of an include they inherit those in apply and those around
    it, and not its own.
    """
    for task, tags, around in flat(read(role, name), inherited):
        yield name, task, tags, around
        imported, _ = target(task, IMPORT)
        included, applied = target(task, INCLUDE)
        if imported:
            yield from walk(role, imported, tags)
        for each in files_of(role, included) if included else ():
            yield from walk(role, each, applied | around)


def tags_of(role):
    return sorted({tag for _, _, tags, _ in walk(role, "main.yml", set()) for tag in tags})


@pytest.mark.parametrize("role", ROLES)
def test_a_tag_names_its_role_and_phase(role):
    names = {f"cipu_{role}", *(f"cipu_{role}_{phase}" for phase in PHASES)}
    assert set(tags_of(role)) <= names | {"always"}
    assert {f"cipu_{role}", f"cipu_{role}_install"} <= set(tags_of(role))


@pytest.mark.parametrize("role", ROLES)
def test_the_tag_of_a_role_selects_all_of_it(role):
    for name, task, tags, _ in walk(role, "main.yml", set()):
        assert tags & {f"cipu_{role}", "always"}, (name, task.get("name"))


@pytest.mark.parametrize("role", ROLES)
def test_an_included_file_is_applied_whole_or_not_at_all(role):
    """A tag that selects an include also selects every task of its file, through each path."""
    for name, task, tags, around in walk(role, "main.yml", set()):
        included, applied = target(task, INCLUDE)
        for each in files_of(role, included) if included else ():
            if each in LISTS_OF_PHASES and name == "main.yml":
                inner = [found for _, _, found, _ in walk(role, each, applied | around)]
                # Each phase that selects the include has tasks in it.
                assert tags - {"always"} == set().union(*inner) - {"always"}, (name, each)
                continue
            for inner, found, _ in flat(read(role, each), applied | around):
                assert found >= tags or "always" in found, (name, each, inner.get("name"))


@pytest.mark.parametrize("role", ROLES)
def test_a_file_of_one_phase_is_not_split_by_tags(role):
    """Blocks and their rescue, imports and files: what belongs together has the same tags."""
    for name in {name for name, _, _, _ in walk(role, "main.yml", set())} - set(LISTS_OF_PHASES):
        found = [
            tags - {"always"} for _, tags, _ in flat(read(role, name), set()) if tags != {"always"}
        ]
        assert all(tags == found[0] for tags in found), (name, found)


def listed_tasks(tmp_path, *options):
    """(role, task name, tags) as ansible-playbook lists them for a play with every role."""
    tasks = [{"import_role": {"name": f"cipu.clock.{role}"}} for role in ROLES]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "tasks": tasks}]))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "--list-tasks"]
    done = subprocess.run(
        [*command, *options, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        name, found, tags = line.strip().rstrip("]").partition("TAGS: [")
        role, is_task, name = name.strip().rpartition(" : ")
        if found and is_task:
            yield role.split(".")[-1], name, frozenset(tags.split(", "))


def test_ansible_lists_the_tags_that_these_tests_find(tmp_path):
    shown = {row for row in listed_tasks(tmp_path) if row[1] != "Validating arguments"}
    for role in ROLES:
        found = {
            (role, task["name"], frozenset(tags))
            for task, tags, _ in flat(read(role, "main.yml"), set())
            if not target(task, IMPORT)[0]
        }
        assert found <= shown, (role, found - shown)


def test_a_tag_runs_tasks_of_its_role_alone(tmp_path):
    for tag in (f"cipu_{role}_install" for role in ROLES):
        rows = list(listed_tasks(tmp_path, "--tags", tag))
        assert all(tags & {tag, "always"} for _, _, tags in rows)
        selected = {role for role, _, tags in rows if tag in tags}
        assert selected == {tag.split("_")[1]}
