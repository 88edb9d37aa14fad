# SPDX-License-Identifier: GPL-3.0-or-later
"""Options from variables and conditions, with the templates of the installed ansible-core."""

from types import SimpleNamespace

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.cipu.clock.plugins.plugin_utils import from_variables

try:
    from ansible.template import trust_as_template as trusted
except ImportError:
    # ansible-core before 2.19 trusts every text that is not marked.
    trusted = str


def acting(variables, args=None):
    loader = DataLoader()
    templar = Templar(loader=loader, variables=variables)
    return SimpleNamespace(_templar=templar, _loader=loader, _task=SimpleNamespace(args=args))


def test_values_with_templates_are_templated():
    variables = {"a": 1, "limits": {"offset_warn_ns": trusted("{{ a + 1 }}")}}
    action = acting(variables, {"options_from": {"thresholds": "limits", "path": "missing"}})
    from_variables.complete(action, variables)
    assert int(action._task.args["thresholds"]["offset_warn_ns"]) == 2
    assert "path" not in action._task.args


def test_conditions_are_evaluated_like_when():
    variables = {"outer": trusted("{{ ansible_facts.n == wanted }}"), "ansible_facts": {"n": 3}}
    action = acting({"n": "of the task"})
    conditions = [trusted("outer | bool"), trusted("n is not defined")]
    assert from_variables.holds(action, conditions, {**variables, "wanted": 3})
    assert not from_variables.holds(action, conditions, {**variables, "wanted": 4})
    with pytest.raises(AnsibleError):
        from_variables.holds(action, conditions, variables)
    assert action._templar.available_variables == {"n": "of the task"}
