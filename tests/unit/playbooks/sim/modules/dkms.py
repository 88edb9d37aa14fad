#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulates cipu.clock.dkms: the folders of DKMS are real, nothing is compiled."""

import hashlib
import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils import simulated

BASE = "/var/lib/dkms/ptp_cipu"
ARCHITECTURE = os.uname().machine


def remove(now, version):
    for kernel in [k for k, v in now["dkms"].items() if v == version]:
        del now["dkms"][kernel]
        link = "{0}/kernel-{1}-{2}".format(BASE, kernel, ARCHITECTURE)
        if os.path.islink(link):
            os.unlink(link)
    shutil.rmtree("{0}/{1}".format(BASE, version), ignore_errors=True)


def install(now, version, kernel):
    folder = "{0}/{1}/{2}/{3}/module".format(BASE, version, kernel, ARCHITECTURE)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "ptp_cipu.ko"), "w") as stream:
        stream.write("simulated")
    link = "{0}/kernel-{1}-{2}".format(BASE, kernel, ARCHITECTURE)
    if os.path.islink(link):
        os.unlink(link)
    os.symlink("{0}/{1}/{2}".format(version, kernel, ARCHITECTURE), link)
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
            name = "ptp_cipu-{0}-{1}-{2}.dkms.tar.gz".format(
                params["version"], kernel, ARCHITECTURE
            )
            path = os.path.join(params["mktarball"], name)
            with open("/etc/os-release", "rb") as stream:
                content = stream.read() + ARCHITECTURE.encode()
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
