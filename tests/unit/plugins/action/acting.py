# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an action plugin without Ansible around it."""

from unittest import mock


class Hostvars(dict):
    """Like Ansible's hostvars: reading a host by name templates its variables, raw_get does not."""

    def raw_get(self, name):
        return dict.__getitem__(self, name)

    def __getitem__(self, name):
        raise AssertionError("the variables of a host were templated")


def made(kind, name, arguments):
    """An action of this class, as a task with this name and these options has it."""
    task = mock.Mock(args=arguments, async_val=0, check_mode=False, diff=False)
    task.action = name
    action = kind(
        task=task,
        connection=mock.Mock(),
        play_context=mock.Mock(check_mode=False),
        loader=mock.Mock(),
        templar=mock.Mock(**{"template.side_effect": lambda value: value}),
        shared_loader_obj=mock.Mock(),
    )
    action._load_name = name  # as the plugin loader sets it
    return action


def run_action(kind, name, arguments, variables):
    return made(kind, name, arguments).run(task_vars=variables)
