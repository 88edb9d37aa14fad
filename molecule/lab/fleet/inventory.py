# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's guests as an Ansible inventory."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from . import ports, ssh
from .node import Node

GROUP = "clocks"


def variables(node: Node) -> dict[str, Any]:
    """Host variables of one guest."""
    return {
        "ansible_host": ports.ADDRESS,
        "ansible_port": node.state.ssh_port,
        "ansible_user": ssh.USER,
        "ansible_ssh_private_key_file": str(node.login.private_key),
        "ansible_ssh_common_args": shlex.join(node.login.options()),
        "ansible_python_interpreter": "/usr/bin/python3",
        "lab_image": node.state.image,
        # The addresses depend on the architecture.
        "lab_functions": {function.name: function.pci_address for function in node.functions},
    }


def script(nodes: Sequence[Node]) -> dict[str, Any]:
    """The inventory as a script prints it for --list."""
    return {
        "_meta": {"hostvars": {node.name: variables(node) for node in nodes}},
        "all": {"children": [GROUP]},
        GROUP: {"hosts": [node.name for node in nodes]},
    }


def yaml(nodes: Sequence[Node]) -> str:
    """The inventory as a file. JSON scalars are YAML, so no library is needed."""
    lines = ["---", "all:", "  children:", f"    {GROUP}:", "      hosts:"]
    for node in nodes:
        lines.append(f"        {node.name}:")
        lines += [f"          {key}: {json.dumps(value)}" for key, value in variables(node).items()]
    return "\n".join(lines) + "\n"
