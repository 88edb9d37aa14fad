# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that install Debian packages wait for the lock of dpkg; needrestart is suspended.

tests/unit/playbooks/test_apt.py shows on one of them that this works.
"""

from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
MODULES = {"ansible.builtin.apt", "ansible.builtin.package"}


def flat(tasks):
    for task in tasks or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part))


def tasks_of(path):
    return list(flat(yaml.safe_load(path.read_text())))


INSTALLS = [
    (path, task)
    for path in sorted(ROLES.glob("*/tasks/*.yml"))
    for task in tasks_of(path)
    if MODULES & set(task) and "family_name != 'Debian'" not in str(task.get("when"))
]
IDS = [f"{path.parts[-3]}: {task['name']}" for path, task in INSTALLS]


@pytest.mark.parametrize(("path", "task"), INSTALLS, ids=IDS)
def test_a_task_that_installs_packages_waits_for_the_lock(path, task):
    assert "is not search('lock (/var|directory|apt )|frontend lock')" in task["until"]
    assert "package_lock_timeout_s | int // 10" in task["retries"]
    assert task["delay"] == 10


def test_needrestart_is_suspended_in_a_rollback():
    """It does not go through main.yml, which sets the environment of all other tasks."""
    (task,) = (task for path, task in INSTALLS if path.name == "reinstall.yml")
    assert task["environment"] == {"NEEDRESTART_SUSPEND": "1"}


@pytest.mark.parametrize("role", sorted({path.parts[-3] for path, _task in INSTALLS}))
def test_needrestart_is_suspended_in_a_role_that_installs_packages(role):
    includes = [
        task["ansible.builtin.include_tasks"]
        for task in tasks_of(ROLES / role / "tasks/main.yml")
        if "ansible.builtin.include_tasks" in task
    ]
    (present,) = (each for each in includes if "present.yml" in str(each))
    assert present["apply"]["environment"] == {"NEEDRESTART_SUSPEND": "1"}
