#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: dkms
short_description: Kernel modules built by DKMS
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Brings one version of a DKMS module to a state on the given kernels, and verifies the result.
  - Supports DKMS 2.8, 3.0 and 3.2, with its tree, its sources and its kernels in other folders too
    if C(framework.conf) says so.
  - Reports missing kernel headers, and the package that contains them, before anything is built.
  - Builds again if a file of the source tree is newer than the build, so that a source tree that
    changed under the same version is not missed.
  - Removes leftovers of an interrupted build, and versions whose source tree is lost.
requirements:
  - dkms on the managed host, except to remove modules.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    support: full
    details:
      - If DKMS, the source tree or the headers are missing, check mode returns the commands that
        would run and warns, since an earlier task may install them.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: Not with O(force=true).
options:
  name:
    description: Name of the module's package, C(PACKAGE_NAME) of its C(dkms.conf).
    type: str
    required: true
  version:
    description:
      - Version, C(PACKAGE_VERSION) of its C(dkms.conf).
      - Required, unless O(state=absent), which removes every version without it.
    type: str
  state:
    description:
      - V(added) - DKMS has the source tree C(NAME-VERSION), by default in C(/usr/src).
      - V(built) - It is also built for the kernels.
      - V(installed) - It is also installed, and is what C(modprobe) loads on these kernels.
      - V(absent) - It is removed from DKMS and from every kernel. The source tree is kept. A module
        that DKMS had replaced is restored.
      - Each of the first three is a minimum. Nothing is removed to reach it.
    type: str
    choices: [added, built, installed, absent]
    default: installed
  kernels:
    description:
      - Kernel releases to build for and to install to.
      - V(running) stands for the running kernel, V(bootable) for every kernel that has an image to
        boot and a module folder.
      - Defaults to V(running). With O(state=absent) it defaults to all kernels; if given, the
        module is removed from these kernels only.
    type: list
    elements: str
  tarball:
    description:
      - Absolute paths of archives on the managed host, made by C(dkms mktarball). Their builds are
        used instead of building. No compiler and no headers are needed then.
      - An archive replaces a different build of the host.
      - The source tree is still needed. DKMS 3.2 does not accept a module without one, and the next
        kernel's module is built from it.
      - Each kernel of O(kernels) must be in one of them. Otherwise the module names the missing
        kernels, fails and changes nothing.
    type: list
    elements: path
    default: []
  mktarball:
    description:
      - Absolute path of the folder on the managed host to pack the builds of O(kernels) into, one
        archive per kernel, without the source.
      - An archive that already has the build is not written again.
    type: path
  other_versions:
    description:
      - What happens to other versions of the module, after this one has reached its state.
      - For a new kernel, DKMS builds the newest version that it has. After a downgrade with V(keep)
        a kernel update therefore installs the newer version. V(older) keeps older ones only.
    type: str
    choices: [keep, older, remove]
    default: keep
  force:
    description: Whether to build and install again even if it is built and installed.
    type: bool
    default: false
seealso:
  - module: cipu.clock.clock_facts
"""

EXAMPLES = r"""
- name: Install the driver for every kernel that can boot
  cipu.clock.dkms:
    name: ptp_cipu
    version: 0.1.0
    kernels: [bootable]

- name: Build once and pack the build
  cipu.clock.dkms:
    name: ptp_cipu
    version: 0.1.0
    state: built
    mktarball: /var/cache/cipu-clock
  register: built

- name: Install a build of another host
  cipu.clock.dkms:
    name: ptp_cipu
    version: 0.1.0
    tarball: /var/cache/cipu-clock/ptp_cipu-0.1.0-6.1.0-40-amd64-x86_64.dkms.tar.gz

- name: Remove every version
  cipu.clock.dkms:
    name: ptp_cipu
    state: absent
"""

RETURN = r"""
actions:
  description:
    - The commands that were run, in check mode those that would run, in order.
    - Changes of files are listed as the C(rm) or C(mv) command that does the same.
  returned: always
  type: list
  elements: str
  sample:
    - dkms add -m ptp_cipu -v 0.1.0
    - dkms build -m ptp_cipu -v 0.1.0 -k 6.1.0-40-amd64
    - dkms install -m ptp_cipu -v 0.1.0 -k 6.1.0-40-amd64
kernels:
  description: The kernel releases that O(kernels) stands for.
  returned: always
  type: list
  elements: str
  sample: [6.1.0-40-amd64]
versions:
  description:
    - State of each version of the module on each kernel afterwards. One of V(absent), V(broken),
      V(added), V(built), V(installed).
  returned: always
  type: dict
  sample: {"0.1.0": {"6.1.0-40-amd64": "installed"}}
missing_headers:
  description: Kernels to build for without headers, and the package that contains them.
  returned: when headers are missing
  type: list
  elements: dict
  contains:
    kernel:
      description: Kernel release.
      type: str
      sample: 6.1.0-40-amd64
    package:
      description: Name of the package, null where none is known.
      type: str
      sample: linux-headers-6.1.0-40-amd64
tarballs:
  description: The archives with the builds of O(kernels).
  returned: when O(mktarball) is given, outside check mode
  type: list
  elements: dict
  contains:
    kernel:
      description: Kernel release.
      type: str
      sample: 6.1.0-40-amd64
    arch:
      description: Machine architecture.
      type: str
      sample: x86_64
    path:
      description: Path on the managed host.
      type: str
      sample: /var/cache/cipu-clock/ptp_cipu-0.1.0-6.1.0-40-amd64-x86_64.dkms.tar.gz
    sha256:
      description: Checksum, hexadecimal.
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    size_bytes:
      description: Size, bytes.
      type: int
      sample: 21044
build_cpu_s:
  description: CPU time of the builds on this host, in seconds, user and system.
  returned: outside check mode
  type: float
  sample: 12.4
signing:
  description:
    - Whether the kernel loads what was installed. This module neither signs nor enrols.
  returned: with O(state=installed), outside check mode
  type: dict
  contains:
    enabled:
      description: Whether Secure Boot is on. Left out where it cannot be read.
      type: bool
    lockdown:
      description: The kernel's lockdown mode. Left out where it cannot be read.
      type: str
      sample: none
    signature_enforced:
      description: Kernel parameter that enforces signatures. Left out where it cannot be read.
      type: bool
    enforced:
      description: Whether the kernel loads signed modules only; null where that cannot be read.
      type: bool
    signers:
      description: Signer of the installed modules, by kernel release; null where one is not signed.
      type: dict
      sample: {6.1.0-40-amd64: DKMS module signing key}
    certificate:
      description: Certificate that DKMS signs with, null where there is none.
      type: str
      sample: /var/lib/dkms/mok.pub
    enrolled:
      description: Whether the firmware trusts that certificate; null where that cannot be checked.
      type: bool
    foreign_kernels:
      description: Kernels whose module is signed with another key than the certificate's.
      type: list
      elements: str
    next_step:
      description: What the operator must do, as a sentence; null if nothing is to do.
      type: str
make_log:
  description: Last lines of the build's log.
  returned: when a build failed
  type: str
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils._dkms import lock
from ansible_collections.cipu.clock.plugins.module_utils._dkms.host import Host
from ansible_collections.cipu.clock.plugins.module_utils._dkms.work import Dkms

# They become parts of paths and words of command lines.
WORDS = {
    "name": r"[A-Za-z0-9_][A-Za-z0-9_.+~-]*",
    "version": r"[A-Za-z0-9_][A-Za-z0-9_.+~:-]*",
    "kernels": r"[A-Za-z0-9_][A-Za-z0-9_.+~-]*",
}
RESERVED_VERSIONS = ("original_module",)
SPEC = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str"},
    "state": {
        "type": "str",
        "choices": ["added", "built", "installed", "absent"],
        "default": "installed",
    },
    "kernels": {"type": "list", "elements": "str"},
    "tarball": {"type": "list", "elements": "path", "default": []},
    "mktarball": {"type": "path"},
    "other_versions": {
        "type": "str",
        "choices": ["keep", "older", "remove"],
        "default": "keep",
    },
    "force": {"type": "bool", "default": False},
}


def complaint(params):
    """The problem with the options, as a sentence; None if they are valid."""
    for option, pattern in sorted(WORDS.items()):
        value = params[option]
        for word in value if isinstance(value, list) else [value]:
            if word is not None and not re.match(pattern + r"\Z", word):
                return "{0}: {1!r} is not a valid value. Use letters, digits and _ . + ~ -".format(
                    option, word
                )
    if params["version"] in RESERVED_VERSIONS:
        return "version: {0} is the name of a folder of DKMS.".format(params["version"])
    if params["kernels"] == []:
        return "kernels is empty. Name at least one kernel, or leave the option out."
    paths = params["tarball"] + [params["mktarball"] or "/"]
    relative = [path for path in paths if not os.path.isabs(path)]
    if relative:
        return "{0} is not an absolute path.".format(relative[0])
    return None


def main():
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[
            ("state", "added", ["version"]),
            ("state", "built", ["version"]),
            ("state", "installed", ["version"]),
        ],
        supports_check_mode=True,
    )
    wrong = complaint(module.params)
    if wrong:
        module.fail_json(msg=wrong)
    # Ubuntu's DKMS makes a missing key, and then asks for a password to enrol it, by debconf.
    module.run_command_environ_update = {
        "LC_ALL": "C",
        "LANG": "C",
        "LANGUAGE": "C",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    if module.check_mode:
        Dkms(module, Host(module)).run()
    try:
        with lock.alone():
            Dkms(module, Host(module)).run()
    except lock.Unlockable as reason:
        module.fail_json(msg=str(reason))


if __name__ == "__main__":
    main()
