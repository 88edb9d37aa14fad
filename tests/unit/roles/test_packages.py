# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that install Debian packages wait for the lock of dpkg; needrestart is suspended.

tests/unit/playbooks/test_apt.py shows on one of them that this works.
"""

import re
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
ROLE_NAMES = sorted({path.parts[-3] for path, _task in INSTALLS})
# Of apt, dpkg and ansible.builtin.apt.
MESSAGES = [
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt)",
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend)",
    "E: Unable to lock directory /var/lib/apt/lists/",
    "dpkg: error: dpkg frontend lock was locked by another process with pid 1",
    "Failed to lock apt for exclusive operation: Failed to lock directory /var/lib/apt/lists/",
]
IDS = [f"{path.parts[-3]}: {task['name']}" for path, task in INSTALLS]


@pytest.mark.parametrize(("path", "task"), INSTALLS, ids=IDS)
def test_a_task_that_installs_packages_waits_for_the_lock(path, task):
    role = path.parts[-3]
    assert f"is not search(cipu_{role}_lock_error)" in task["until"]
    assert task["retries"] == f"{{{{ cipu_{role}_lock_retries }}}}"
    assert task["delay"] == 10


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_every_role_recognises_the_same_messages_about_the_lock(role):
    """Each role must be usable alone, so each has these variables."""
    variables = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    error = variables[f"cipu_{role}_lock_error"]
    assert (
        error
        == yaml.safe_load((ROLES / "driver/vars/main.yml").read_text())["cipu_driver_lock_error"]
    )
    for message in MESSAGES:
        assert re.search(error, message), message
    assert not re.search(error, "Unable to locate package chrony")
    retries = variables[f"cipu_{role}_lock_retries"].replace(f"cipu_{role}_package_", "")
    assert retries == "{{ [1, lock_timeout_s | int // 10] | max }}"


def test_needrestart_is_suspended_in_a_rollback():
    """It does not go through main.yml, which sets the environment of all other tasks."""
    (task,) = (task for path, task in INSTALLS if path.name == "reinstall.yml")
    assert task["environment"] == {"NEEDRESTART_SUSPEND": "1"}


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_needrestart_is_suspended_in_a_role_that_installs_packages(role):
    includes = [
        task["ansible.builtin.include_tasks"]
        for task in tasks_of(ROLES / role / "tasks/main.yml")
        if "ansible.builtin.include_tasks" in task
    ]
    (present,) = (each for each in includes if "present.yml" in str(each))
    assert present["apply"]["environment"] == {"NEEDRESTART_SUSPEND": "1"}
