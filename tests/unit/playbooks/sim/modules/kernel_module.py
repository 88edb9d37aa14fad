#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulates cipu.clock.kernel_module."""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils import simulated


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "ptp_cipu"},
            "state": {"type": "str", "default": "loaded"},
            "params": {"type": "dict", "default": {}},
            "links": {"type": "list", "elements": "str", "default": []},
            "reload": {"type": "bool", "default": True},
            "timeout_s": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    now = simulated.state()
    if module.check_mode:
        module.exit_json(changed=True)
    simulated.log("kernel_module {0} {1}".format(module.params["state"], module.params["params"]))
    problem = simulated.failure("kernel_module")
    if module.params["state"] == "unloaded":
        now["loaded"] = None
    elif problem:
        module.fail_json(msg=problem)
    else:
        now["loaded"] = now["dkms"].get(simulated.KERNEL)
        now["params"] = module.params["params"]
    simulated.save(now)
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
