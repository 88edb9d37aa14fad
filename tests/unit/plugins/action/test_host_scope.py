# SPDX-License-Identifier: GPL-3.0-or-later
"""host_scope: which hosts a playbook changes, from the line of the shell command alone."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleError
from ansible_collections.cipu.clock.plugins.action import host_scope
from ansible_collections.cipu.clock.plugins.plugin_utils import from_variables

from ..made import fresh
from .acting import made

SEEN = {
    "functions": "1",
    "container": "no",
    "system": "debian",
    "like": "",
    "python": "yes",
    "traces": "yes",
    "stamp": "same",
}
VARIABLES = {
    "cipu_driver_version": "0.2.0",
    "cipu_run_defaults_driver": {"wanted": "from defaults", "cipu_driver_version": "0.1.0"},
    "cipu_run_vars_driver": {"derived": "from vars"},
}


def run(seen=None, output=None, facts=None, variables=None, conditions=True, **arguments):
    """The result, the command, and the variables with which the conditions were evaluated."""
    words = " ".join("{0}={1}".format(*pair) for pair in {**SEEN, **(seen or {})}.items())
    line = "motd\r\ncipu-probe {0}\r\n".format(words) if output is None else output
    arguments = {"playbook": "rollout", "group": "in_scope", "collection": "c0ffee", **arguments}
    action = made(host_scope.ActionModule, "cipu.clock.host_scope", arguments)
    answer = {"stdout": line, "stderr": "", "rc": 0 if output is None else 127}
    execute = mock.Mock(return_value=answer)
    holds = mock.Mock(return_value=conditions)
    if isinstance(conditions, Exception):
        holds.side_effect = conditions
    gathered = (fresh(), None) if facts is None else facts
    with (
        mock.patch.object(action, "_low_level_execute_command", execute),
        mock.patch.object(action, "group", lambda name, _variables: {"add_group": name}),
        mock.patch.object(host_scope, "gather", return_value=gathered),
        mock.patch.object(from_variables, "holds", holds),
    ):
        result = action.run(task_vars=VARIABLES if variables is None else variables)
    known = holds.call_args.args[2] if holds.called else None
    return result, execute.call_args.args[0], known


IDLE = {"unchanged_when": ["wanted"], "roles": ["driver"]}


@pytest.mark.parametrize(
    ("playbook", "seen", "reason"),
    [
        ("rollout", {"functions": "0"}, "it has no CIPU function (PCI 1ded:500c)"),
        ("rollout", {"container": "yes"}, "it is a container, which sees"),
        ("rollout", {"system": "alpine"}, "its system, alpine, is not supported"),
        ("rollout", {"system": ""}, "its system, unknown, is not supported"),
        ("rollout", {"system": "{{1}}/../x", "like": "y"}, "its system, 1x, is not supported"),
        ("rollout", {"system": "a" * 900}, "its system, " + "a" * 32 + ", is not supported"),
        ("rollout", {"python": "no"}, "it has no Python"),
        ("remove", {"traces": "no"}, "there is nothing to remove"),
        ("remove", {"container": "yes"}, "it is a container, which sees"),
    ],
)
def test_other_hosts_are_not_in_the_group_and_have_a_reason(playbook, seen, reason):
    result, _command, _known = run(seen, playbook=playbook)
    assert result["reason"].startswith(reason)
    assert "add_group" not in result
    assert not result.get("failed")


@pytest.mark.parametrize(
    ("playbook", "seen"),
    [
        ("rollout", {}),
        ("rollout", {"system": "mint", "like": "ubuntu,debian"}),
        ("remove", {"functions": "0"}),
    ],
)
def test_hosts_in_scope_are_added_to_the_group(playbook, seen):
    result, _command, _known = run(seen, playbook=playbook)
    assert (result["add_group"], result["reason"]) == ("in_scope", "")
    assert result["changed"] is False


def test_a_host_without_a_shell_fails_in_one_sentence():
    result, _command, _known = run(output="sh: not found\r\n")
    assert result["failed"]
    assert "did not run a shell command: sh: not found (exit status 127). Check" in result["msg"]
    assert "add_group" not in result


def test_a_settled_host_is_not_changed_and_returns_no_facts():
    result, _command, known = run(**IDLE)
    assert result["health"] == "OK"
    assert not {"add_group", "ansible_facts"} & set(result)
    # Defaults of a role are weaker than the operator's variables, its other variables stronger.
    assert known["cipu_driver_version"] == "0.2.0"
    assert (known["wanted"], known["derived"]) == ("from defaults", "from vars")
    assert known["ansible_facts"]["cipu_clock"]["schema"] == 1


ABNORMAL = fresh(clocks__0__cipu__sync__clock_abnormal=True)


@pytest.mark.parametrize(
    "given",
    [
        {"seen": {"stamp": "differs"}},
        {"facts": (None, "no facts here")},
        {"facts": ({"schema": 99}, None)},
        {"facts": (ABNORMAL, None)},
        {"conditions": False},
        {"conditions": AnsibleError("cipu_chrony_selects is undefined")},
    ],
)
def test_any_doubt_about_a_host_leaves_it_to_the_rollout(given):
    result, _command, _known = run(**IDLE, **given)
    assert result["add_group"] == "in_scope"
    assert not result.get("failed")


def test_thresholds_of_the_operator_decide_whether_a_host_is_healthy():
    variables = {**VARIABLES, "cipu_health_thresholds": {"error_bound_critical_ns": "1"}}
    named = {"options_from": {"thresholds": "cipu_health_thresholds"}}
    assert "add_group" in run(variables=variables, **IDLE, **named)[0]
    assert "add_group" not in run(**IDLE, **named)[0]


def inputs(variables=None, **arguments):
    given = {**VARIABLES, **(variables or {})}
    return run(variables=given, **arguments)[0]["inputs"]


def test_inputs_are_the_collection_and_the_variables_of_the_operator():
    assert len(inputs()) == 64
    assert inputs() == inputs({"other": 1})
    assert inputs() != inputs({"cipu_driver_version": "0.2.1"})
    assert inputs() != inputs({"cipu_chrony_servers": ["ntp1"]})
    assert inputs() != inputs(collection="changed")


@pytest.mark.parametrize("name", ["cipu_driver_source", "cipu_probe_package_file"])
@pytest.mark.parametrize("value", ["/no/such/file", "files/relative.deb"])
def test_inputs_whose_content_cannot_be_determined_are_empty(name, value):
    assert inputs({name: value}) == ""


def test_inputs_without_a_collection_are_empty():
    assert inputs(collection="") == ""


def test_inputs_contain_the_content_of_package_files(tmp_path):
    package = tmp_path / "clockprobe.deb"
    package.write_bytes(b"one")
    given = {"cipu_probe_package_file": str(package)}
    first = inputs(given)
    assert len(first) == 64
    assert first == inputs(given)
    package.write_bytes(b"two")
    assert inputs(given) not in ("", first)
    assert len(inputs({"cipu_probe_package_file": ""})) == 64


def test_the_command_has_the_values_of_the_host_quoted():
    _result, command, _known = run(probe_path="/opt/a b/clockprobe", interpreter="/opt/py thon")
    assert "PROBE={0}\n".format(shlex.quote("/opt/a b/clockprobe")) in command
    assert "INTERPRETER='/opt/py thon'\n" in command
    assert "\n#" not in command
    for default in ("auto", "auto_silent"):
        assert "INTERPRETER=''\n" in run(interpreter=default)[1]


ROOT = Path(__file__).resolve().parents[4]
ANSWER = "echo cipu-probe functions=1 container=no system=debian like= python=yes stamp=differs\n"
PLAYS = """
- hosts: all
  gather_facts: false
  tasks:
    - cipu.clock.host_scope: {playbook: rollout, group: in_scope}
      register: scope
      changed_when: false
    - debug: {var: scope}
- hosts: in_scope
  gather_facts: false
  tasks:
    - debug: {msg: in the group}
"""


def test_a_later_play_has_the_hosts_of_the_group(tmp_path):
    """With the ansible-core of this Python; versions differ in how an action adds a group."""
    collection = tmp_path / "ansible_collections/cipu/clock"
    shutil.copytree(ROOT / "plugins", collection / "plugins")
    # The machine itself may be a container, which is never in scope.
    (collection / "playbooks/files").mkdir(parents=True)
    (collection / "playbooks/files/probe.sh").write_text(ANSWER)
    (tmp_path / "plays.yml").write_text(PLAYS)
    # ansible-test has neither programs nor entry points of ansible-core.
    main = "from ansible.cli.playbook import main; main()"
    words = ["-c", main, "--inventory", "one,", "--connection", "local", "plays.yml"]
    environment = {key: text for key, text in os.environ.items() if "ANSIBLE" not in key}
    environment.update(ANSIBLE_COLLECTIONS_PATH=str(tmp_path), ANSIBLE_HOME=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in the group" in done.stdout
    assert "changed=0" in done.stdout
