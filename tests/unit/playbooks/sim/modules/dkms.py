#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulates cipu.clock.dkms: the folders of DKMS are real, nothing is compiled."""

import hashlib
import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils import simulated

BASE = "/var/lib/dkms/ptp_cipu"


def remove(now, version):
    for kernel in [k for k, v in now["dkms"].items() if v == version]:
        del now["dkms"][kernel]
        link = "{0}/kernel-{1}-x86_64".format(BASE, kernel)
        if os.path.islink(link):
            os.unlink(link)
    shutil.rmtree("{0}/{1}".format(BASE, version), ignore_errors=True)


def install(now, version, kernel):
    folder = "{0}/{1}/{2}/x86_64/module".format(BASE, version, kernel)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "ptp_cipu.ko"), "w") as stream:
        stream.write("simulated")
    link = "{0}/kernel-{1}-x86_64".format(BASE, kernel)
    if os.path.islink(link):
        os.unlink(link)
    os.symlink("{0}/{1}/x86_64".format(version, kernel), link)
    now["dkms"][kernel] = version


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "version": {"type": "str"},
            "state": {"type": "str", "default": "installed"},
            "kernels": {"type": "list", "elements": "str", "default": []},
            "tarball": {"type": "list", "elements": "path", "default": []},
            "mktarball": {"type": "path"},
            "other_versions": {"type": "str", "default": "keep"},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=True)
    now = simulated.state()
    simulated.log("dkms {0} {1}".format(params["state"], params["version"] or "all"))
    if params["state"] == "absent":
        for version in [params["version"]] if params["version"] else set(now["dkms"].values()):
            remove(now, version)
        simulated.save(now)
        module.exit_json(changed=True)
    problem = simulated.failure("dkms")
    if problem:
        module.fail_json(msg=problem)
    source = "/usr/src/ptp_cipu-{0}/dkms.conf".format(params["version"])
    if not os.path.exists(source):
        module.fail_json(msg="no source: " + source)
    result = {"changed": True, "build_cpu_s": 0.0 if params["tarball"] else 1.0, "tarballs": []}
    for kernel in params["kernels"]:
        install(now, params["version"], kernel)
        if params["mktarball"]:
            os.makedirs(params["mktarball"], exist_ok=True)
            name = "ptp_cipu-{0}-{1}-x86_64.dkms.tar.gz".format(params["version"], kernel)
            path = os.path.join(params["mktarball"], name)
            with open("/etc/os-release", "rb") as stream:
                content = stream.read()
            with open(path, "wb") as stream:
                stream.write(content)
            digest = hashlib.sha256(content).hexdigest()
            result["tarballs"].append({"kernel": kernel, "path": path, "sha256": digest})
    for path in params["tarball"]:
        with open(path) as stream:
            now["built_by"] = stream.read()
    simulated.save(now)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
