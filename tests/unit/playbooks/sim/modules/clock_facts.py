#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulates cipu.clock.clock_facts: a healthy host, changed by the simulated state."""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils import simulated
from ansible_collections.cipu.clock.plugins.module_utils._host import clockprobe, tree


def main():
    module = AnsibleModule(
        argument_spec={
            "probe_path": {"type": "path", "default": "/usr/local/bin/clockprobe"},
            "driver": {"type": "str", "default": "ptp_cipu"},
            "timeout_s": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    problem = simulated.failure("clock_facts")
    if problem:
        module.fail_json(msg=problem)
    facts = simulated.read("healthy.json", None)
    now = simulated.state()
    path = clockprobe.located(tree.Tree(), module.params["probe_path"])
    facts["taken_at_s"] = int(time.time())
    facts["chrony"]["tracking"]["ref_time_s"] = time.time() - 1.5
    facts["probe"] = {"status": "ok", "path": path, "version": "0.2.0"}
    if not os.path.isfile(path):
        facts["probe"] = {"status": "missing", "path": path}
    if not os.listdir("/sys/bus/pci/devices"):
        facts["functions"] = []
    driver = facts["driver"]
    driver["dkms"] = [
        {"version": version, "kernel": kernel, "arch": os.uname().machine, "state": "installed"}
        for kernel, version in now["dkms"].items()
    ]
    installed = now["dkms"].get(simulated.KERNEL)
    driver["loaded"] = now["loaded"] is not None
    for key, version in (("installed", installed), ("loaded", now["loaded"])):
        for part in ("version", "srcversion"):
            driver.pop("{0}_{1}".format(key, part), None)
            if version:
                driver["{0}_{1}".format(key, part)] = version
    facts["kernel"]["bootable"][0]["has_module"] = installed is not None
    facts["kernel"]["bootable"][0]["has_headers"] = not os.path.exists("/simulated/no_headers")
    if not now["loaded"]:
        facts["clocks"] = []
    elif os.path.exists("/simulated/abnormal"):
        facts["clocks"][0]["cipu"]["sync"]["clock_abnormal"] = True
    if not now["selected"]:
        facts["chrony"] = {"status": "absent"}
        facts["time_daemons"] = ["timesyncd"]
    module.exit_json(changed=False, ansible_facts={"cipu_clock": facts})


if __name__ == "__main__":
    main()
