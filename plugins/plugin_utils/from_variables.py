# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a task from variables of the host, without templates in the task.

Each host is processed by a process of its own, which compiles every template of the task again.
For a task of a few milliseconds that is a large part of the controller's work.
"""

OPTION = "options_from"


def complete(action, variables):
    """Adds the options that options_from names to those of the task, which take precedence.

    "gather_options.probe_path" is a suboption.
    """
    args = dict(action._task.args)
    for option, name in (args.get(OPTION) or {}).items():
        outer, _dot, inner = option.rpartition(".")
        given = dict(args.get(outer) or {}) if outer else args
        if inner in given or name not in variables:
            continue
        # Only a value that contains a template is compiled.
        value = action._templar.template(variables[name])
        if value in (None, ""):
            continue
        given[inner] = value
        if outer:
            args[outer] = given
    action._task.args = args


def holds(action, conditions, variables):
    """Whether all conditions hold with these variables, evaluated as `when` is."""
    templar = action._templar
    former = templar.available_variables
    templar.available_variables = variables
    try:
        if hasattr(templar, "evaluate_conditional"):
            return all(templar.evaluate_conditional(one) for one in conditions)
        # ansible-core before 2.19
        from ansible.playbook.conditional import Conditional

        conditional = Conditional(loader=action._loader)
        conditional.when = list(conditions)
        return conditional.evaluate_conditional(templar, variables)
    finally:
        templar.available_variables = former
