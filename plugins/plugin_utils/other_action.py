# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs another action from an action plugin, for the same host and in the same task."""


def run(action, name, args, variables):
    """The result of the action with this name, with these options."""
    task = action._task.copy()
    task.args = args
    other = action._shared_loader_obj.action_loader.get(
        name,
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    return other.run(task_vars=variables)
