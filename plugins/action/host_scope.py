# SPDX-License-Identifier: GPL-3.0-or-later
"""Determines in one task whether a playbook changes a host, and adds the host to a group if so.

The first step is a shell command that needs neither Python nor facts. Only a host on which the last
rollout finished is judged as well, since it may have nothing to do.
"""

import hashlib
import json
import os
import re
import shlex
import time

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import UNHEALTHY
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import THRESHOLDS
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import assess, headline
from ansible_collections.cipu.clock.plugins.module_utils._host.clockprobe import DEFAULT_PATH
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import shown
from ansible_collections.cipu.clock.plugins.plugin_utils import from_variables, other_action
from ansible_collections.cipu.clock.plugins.plugin_utils.collection import COLLECTION
from ansible_collections.cipu.clock.plugins.plugin_utils.gather import FACT, gather

SCRIPT = os.path.join(COLLECTION, "playbooks/files/probe.sh")
MESSAGE_LIMIT = 1000
# ID and ID_LIKE of os-release, of the systems for which the roles have a table.
SYSTEMS = {"debian", "ubuntu", "rhel", "centos", "fedora", "anolis", "alinux", "openEuler"}
# Variables that decide what a rollout writes. The content of a folder named by one is not compared.
DECIDING = re.compile("cipu_(driver|probe|chrony)_")
NAMES_A_FOLDER, NAMES_A_FILE = "_source", "_package_file"
LINE = re.compile("cipu-probe (functions=.*)")

ARGUMENT_SPEC = {
    "playbook": {"type": "str", "choices": ["rollout", "remove"], "required": True},
    "group": {"type": "str", "required": True},
    "probe_path": {"type": "path", "default": DEFAULT_PATH},
    "interpreter": {"type": "str", "default": "auto"},
    "collection": {"type": "str", "default": ""},
    "thresholds": {"type": "dict", "options": THRESHOLDS},
    "unchanged_when": {"type": "list", "elements": "str", "default": []},
    "roles": {"type": "list", "elements": "str", "default": []},
    "options_from": {"type": "dict"},
}


def read_script():
    with open(SCRIPT, encoding="utf-8") as source:
        return re.sub(r"(?m)^#.*\n", "", source.read())


# At import, in the main process, which starts a process for each host.
SCRIPT_TEXT = read_script()


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        result["changed"] = False
        variables = task_vars or {}
        from_variables.complete(self, variables)
        _validation, args = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        inputs = self.inputs(args["collection"], variables)
        answer = self.probe(args, inputs)
        seen = _seen(answer.get("stdout", ""))
        if seen is None:
            result.update(failed=True, msg=_no_shell(answer))
            return result
        result.update(inputs=inputs, reason=_reason(seen, args["playbook"]))
        if result["reason"]:
            return result
        if args["unchanged_when"] and seen.get("stamp") == "same":
            result["health"] = self.unchanged(args, variables)
            if result["health"]:
                return result
        result.update(self.group(args["group"], variables))
        return result

    def group(self, name, variables):
        """Adds the host to a group, by the action of ansible-core that can do so in its version."""
        returned = other_action.run(self, "ansible.builtin.group_by", {"key": name}, variables)
        return {key: returned[key] for key in ("add_group", "parent_groups")}

    def probe(self, args, inputs):
        """The answer of the host to files/probe.sh."""
        interpreter = args["interpreter"]
        values = {
            "INPUTS": inputs,
            "INTERPRETER": "" if interpreter.startswith("auto") else interpreter,
            "PROBE": args["probe_path"],
        }
        lines = ["{0}={1}\n".format(name, shlex.quote(text)) for name, text in values.items()]
        return self._low_level_execute_command("".join(lines) + SCRIPT_TEXT, executable=False)

    def inputs(self, collection, variables):
        """A checksum over everything that decides what a rollout writes.

        That is the collection on the controller, the variables that the operator set, and the
        package files that they name. Empty where it cannot be determined; then no host counts as
        unchanged.
        """
        names = sorted(name for name in variables if DECIDING.match(name))
        if not collection or any(name.endswith(NAMES_A_FOLDER) for name in names):
            return ""
        try:
            values = [[name, self._templar.template(variables[name])] for name in names]
            files = [
                _checksum(str(value))
                for name, value in values
                if name.endswith(NAMES_A_FILE) and value
            ]
        except (AnsibleError, OSError, ValueError):
            return ""
        text = json.dumps([collection, values, files], sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def unchanged(self, args, variables):
        """Its health in one line if the host has nothing to do, or an empty text.

        Whatever prevents an answer is reported by the rollout to this host.
        """
        facts, problem = gather(self, {"probe_path": args["probe_path"]}, variables)
        if problem:
            return ""
        admitted, health = assess(facts, None, args["thresholds"], time.time())
        if health["severity"] in UNHEALTHY:
            return ""
        known = _with_roles(variables, args["roles"])
        known["ansible_facts"] = dict(variables.get("ansible_facts") or {}, **{FACT: admitted})
        try:
            same = from_variables.holds(self, args["unchanged_when"], known)
        except AnsibleError:
            return ""
        return headline(health) if same else ""


def _checksum(path):
    # Ansible looks for a relative path in several folders.
    if not os.path.isabs(path):
        raise ValueError(path)
    with open(path, "rb") as package:
        return hashlib.file_digest(package, "sha256").hexdigest()


def _with_roles(variables, roles):
    """The variables with those of the roles, which the playbook has read, by their precedence."""
    known = {}
    for role in roles:
        known.update(variables["cipu_run_defaults_" + role])
    known.update(variables)
    for role in roles:
        known.update(variables["cipu_run_vars_" + role])
    return known


def _seen(output):
    """The values in the line of files/probe.sh; None without the line."""
    found = LINE.search(output)
    if found is None:
        return None
    return dict(word.split("=", 1) for word in found.group(1).split() if "=" in word)


def _reason(seen, playbook):
    """Why the playbook does not change this host; empty if it is in scope."""
    if playbook == "remove" and seen.get("traces") == "no":
        return "there is nothing to remove"
    if playbook == "rollout" and seen.get("functions") == "0":
        return "it has no CIPU function (PCI 1ded:500c)"
    if seen.get("container") == "yes":
        return "it is a container, which sees the functions of its host"
    system = re.sub("[^A-Za-z0-9_]", "", seen.get("system", ""))[:32]
    if not SYSTEMS.intersection([system] + seen.get("like", "").split(",")):
        return "its system, {0}, is not supported".format(system or "unknown")
    if seen.get("python") == "no":
        return "it has no Python"
    return ""


def _no_shell(answer):
    said = (answer.get("stderr") or answer.get("stdout") or "no output").strip()
    return shown(
        "The host did not run a shell command: {0} (exit status {1}). Check that you can log in to "
        "it, that it has a POSIX shell, and that you may become root there.".format(
            said, answer.get("rc")
        ),
        MESSAGE_LIMIT,
    )
