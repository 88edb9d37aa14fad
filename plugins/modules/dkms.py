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
  - Brings one version of one DKMS module to a state, on the kernels named.
  - Knows the output and the exit statuses of DKMS 2.8, 3.0 and 3.2.
  - Says which kernel headers are missing, and which package brings them, before anything is built.
  - A build older than its source tree is made anew, so a source tree changed under the same version
    does not stay unnoticed. Changed means that a file of it is newer than the build.
requirements:
  - dkms on the managed host.
extends_documentation_fragment:
  - cipu.clock.attributes
attributes:
  check_mode:
    support: full
    details:
      - Where DKMS, the source tree or the headers are not there yet, because an earlier task would
        have brought them, check mode tells the commands that would run and warns.
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
      - Required, unless O(state=absent), which without it removes every version.
    type: str
  state:
    description:
      - V(added) - DKMS knows the source tree in C(/usr/src/NAME-VERSION).
      - V(built) - and it is built for the kernels.
      - V(installed) - and it lies in the module folder of the kernels.
      - V(absent) - DKMS knows nothing of it, and no kernel has a module of it. The source tree
        stays.
      - Each of the first three is a lower bound, nothing is taken back to reach it.
    type: str
    choices: [added, built, installed, absent]
    default: installed
  kernels:
    description:
      - Kernel releases to build for and to install to.
      - V(running) stands for the running kernel, V(bootable) for every kernel that has an image to
        boot and a module folder.
    type: list
    elements: str
    default: [running]
  tarball:
    description:
      - Archives on the managed host, made by C(dkms mktarball), whose builds are used instead of
        building. No compiler and no headers are needed then.
      - The source tree is needed all the same. DKMS 3.2 does not know a module without one, and the
        next kernel's module is built from it.
      - Each kernel of O(kernels) must be in one of them. One that is not is named, and nothing is
        done.
    type: list
    elements: path
    default: []
  mktarball:
    description:
      - Folder on the managed host into which the build of each kernel of O(kernels) is packed, one
        archive a kernel, without the source.
      - An archive that is not older than the build is left as it is.
    type: path
  other_versions:
    description:
      - What happens to other versions of the module, after this one has reached its state.
      - DKMS gives a new kernel the newest version that it knows, so after a step back with V(keep)
        a kernel update brings the version that was left. V(older) keeps older ones only.
    type: str
    choices: [keep, older, remove]
    default: keep
  force:
    description: Build, and install, even what is built and installed.
    type: bool
    default: false
seealso:
  - module: cipu.clock.clock_facts
"""

EXAMPLES = r"""
- name: The driver is there for every kernel that can boot
  cipu.clock.dkms:
    name: ptp_cipu
    version: 0.1.0
    kernels: [bootable]

- name: Build once and pack
  cipu.clock.dkms:
    name: ptp_cipu
    version: 0.1.0
    state: built
    mktarball: /var/cache/cipu-clock
  register: built

- name: Install what was built elsewhere
  cipu.clock.dkms:
    name: ptp_cipu
    version: 0.1.0
    tarball: /var/cache/cipu-clock/ptp_cipu-0.1.0-6.1.0-40-amd64-x86_64.dkms.tar.gz

- name: No trace of any version
  cipu.clock.dkms:
    name: ptp_cipu
    state: absent
"""

RETURN = r"""
actions:
  description: The commands that were run, or in check mode would be, in order.
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
    - For each version of the module, for each kernel, its state afterwards. One of V(absent),
      V(broken), V(added), V(built), V(installed).
  returned: always
  type: dict
  sample: {"0.1.0": {"6.1.0-40-amd64": "installed"}}
missing_headers:
  description: Kernels to build for whose headers are missing, and the package that brings them.
  returned: when headers are missing
  type: list
  elements: dict
  contains:
    kernel:
      description: Kernel release.
      type: str
      sample: 6.1.0-40-amd64
    package:
      description: Name of the package, or null where the distribution is not known.
      type: str
      sample: linux-headers-6.1.0-40-amd64
tarballs:
  description: The archives packed, or found fresh.
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
  description: CPU seconds, of users and of the kernel, that the builds took on this host.
  returned: outside check mode
  type: float
  sample: 12.4
signing:
  description:
    - Whether the kernel will load what was installed. Nothing is signed or enrolled by this module.
  returned: with O(state=installed), outside check mode
  type: dict
  contains:
    enabled:
      description: Secure Boot is on. Left out where it cannot be seen.
      type: bool
    lockdown:
      description: The kernel's lockdown mode. Left out where it cannot be seen.
      type: str
      sample: none
    signature_enforced:
      description: The kernel parameter that enforces signatures. Left out where it cannot be seen.
      type: bool
    enforced:
      description: The kernel takes signed modules only; null where that cannot be seen.
      type: bool
    signers:
      description: Signer of the installed module, by kernel release; null where it is not signed.
      type: dict
      sample: {6.1.0-40-amd64: DKMS module signing key}
    certificate:
      description: Certificate that DKMS signs with, null where there is none.
      type: str
      sample: /var/lib/dkms/mok.pub
    enrolled:
      description: Whether the firmware knows that certificate; null where that cannot be asked.
      type: bool
    next_step:
      description: What the owner is to do, as a sentence; null where nothing is.
      type: str
make_log:
  description: The end of the build's log.
  returned: when a build failed
  type: str
"""

import contextlib
import fcntl
import filecmp
import hashlib
import os
import re
import resource
import shutil
import signal
import tarfile
import time
import zlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils._dkms import signing
from ansible_collections.cipu.clock.plugins.module_utils._dkms.plan import (
    RANK,
    Wanted,
    kernels_to_build,
    plan,
    predicted,
    states,
)
from ansible_collections.cipu.clock.plugins.module_utils._dkms.status import (
    make_log,
    meaning,
    parse_status,
    read_tree,
    state_of,
)
from ansible_collections.cipu.clock.plugins.module_utils._host import headers, kernels
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

SOURCE_FILES_LIMIT = 10000
LOCK = "/run/lock/cipu-dkms"
LOCK_WAIT_S = 1800


class Host:
    """The one place that touches the host, so that tests can stand in for it."""

    def __init__(self, module, tree=None):
        self.module = module
        self.tree = tree or Tree()
        self.dkms = module.get_bin_path("dkms")
        self.arch = os.uname().machine

    def records(self, name):
        if self.dkms is None:
            return []
        rc, out, err = self.module.run_command([self.dkms, "status", "-m", name])
        if rc:
            self.module.fail_json(
                msg="dkms status failed: {0}".format((err or out).strip()[-500:]), rc=rc
            )
        return [record for record in parse_status(out) if record["name"] == name]

    def tree_records(self, name, installed_on):
        """What DKMS's folder tells, or None where only DKMS itself can tell.

        It is enough where every file installed is the one that was built.
        """
        records = read_tree(self.tree, name)
        for record in records:
            if record["kernel"] in installed_on and record["state"] == "installed":
                base = "/var/lib/dkms/{0}/{1}/{2}/{3}/module".format(
                    name, record["version"], record["kernel"], record["arch"]
                )
                if not all(
                    self.is_installed(record["kernel"], base + "/" + entry)
                    for entry in self.tree.names(base)
                ):
                    return None
        return records

    def is_installed(self, kernel, built):
        name, dot, _suffix = os.path.basename(built).partition(".ko")
        if not dot:
            return True  # Module.symvers and the like
        path = self.say(["modinfo", "-k", kernel, "-n", name])
        return bool(path) and _same(self.tree.path(built), self.tree.path(path))

    def say(self, argv):
        """What a program prints, whatever its exit status; None if there is no such program."""
        path = self.module.get_bin_path(argv[0])
        if path is None:
            return None
        _rc, out, _err = self.module.run_command([path] + argv[1:])
        return out.strip()[:200]

    def stale(self, name, version, kernel):
        """Whether a file of the source is newer than the build. Times yet to come prove nothing."""
        built = "/var/lib/dkms/{0}/{1}/{2}/{3}/module".format(name, version, kernel, self.arch)
        modules = [self.tree.path(built + "/" + entry) for entry in self.tree.names(built)]
        if not modules:
            return False
        built_at_s = min(_mtime(path) for path in modules)
        newest_s = _newest_mtime(self.tree.path("/usr/src/{0}-{1}".format(name, version)))
        return built_at_s < newest_s


def _children_cpu_s():
    """CPU seconds of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _same(one, other):
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _mtime(path):
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def _newest_mtime(folder):
    newest_s, now_s, seen = 0, time.time(), 0
    for base, _folders, files in os.walk(folder):
        for entry in files:
            seen += 1
            changed_s = _mtime(os.path.join(base, entry))
            if changed_s <= now_s:
                newest_s = max(newest_s, changed_s)
        if seen > SOURCE_FILES_LIMIT:
            break
    return newest_s


def kernels_in_tarball(path, arch):
    """Kernel releases that a DKMS archive holds a build of for this architecture."""
    found = set()
    with tarfile.open(path) as archive:
        for member in archive:
            parts = [part for part in member.name.split("/") if part not in {"", "."}]
            if len(parts) >= 3 and parts[0] == "dkms_main_tree" and parts[2] == arch:
                found.add(parts[1])
    return found


class Dkms:
    def __init__(self, module, host):
        self.module = module
        self.host = host
        self.params = module.params
        self.name = self.params["name"]
        self.version = self.params["version"]
        self.kernels = self.resolve_kernels()
        self.result = {"changed": False, "actions": [], "kernels": self.kernels}

    def fail(self, message, **more):
        self.result.update(more)
        self.module.fail_json(msg=message, **self.result)

    def fail_or_warn(self, message, **more):
        """In check mode an earlier task may have been going to bring what is missing."""
        if not self.module.check_mode:
            self.fail(message, **more)
        self.result.update(more)
        self.module.warn(message)

    def resolve_kernels(self):
        running = os.uname().release
        resolved = []
        for kernel in self.params["kernels"]:
            if kernel == "bootable":
                releases = kernels.bootable(self.host.tree, running)
            else:
                releases = [running if kernel == "running" else kernel]
            resolved += [release for release in releases if release not in resolved]
        unknown = [k for k in resolved if not self.host.tree.is_dir("/lib/modules/" + k)]
        if unknown and self.params["state"] in {"built", "installed"}:
            self.module.fail_json(
                msg="No such kernel on this host: {0}. There are: {1}.".format(
                    ", ".join(unknown), ", ".join(self.host.tree.names("/lib/modules")) or "none"
                ),
                changed=False,
                actions=[],
            )
        return resolved

    def tarballs(self):
        chosen = {}
        for path in self.params["tarball"]:
            try:
                releases = kernels_in_tarball(path, self.host.arch)
            except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
                self.fail_or_warn("The archive {0} cannot be read: {1}.".format(path, error))
                continue
            for kernel in releases:
                chosen.setdefault(kernel, path)
        return chosen

    def wanted(self):
        state = self.params["state"]
        stale = []
        if state in {"built", "installed"} and not self.params["tarball"]:
            stale = [k for k in self.kernels if self.host.stale(self.name, self.version, k)]
        return Wanted(
            self.name,
            self.version,
            state,
            self.kernels,
            stale=stale,
            tarballs=self.tarballs(),
            force=self.params["force"],
            other_versions=self.params["other_versions"],
        )

    def preflight(self, records, steps):
        """Everything that can be known to fail is said before the first command."""
        if self.host.dkms is None:
            if self.params["state"] == "absent":
                return
            self.fail_or_warn("dkms is not installed. Install the package dkms.")
        if any(verb == "add" for verb, _kernel, _argv in steps):
            conf = "/usr/src/{0}-{1}/dkms.conf".format(self.name, self.version)
            if not self.host.tree.is_file(conf):
                self.fail_or_warn("There is no source tree to add: {0} is missing.".format(conf))
        to_build = kernels_to_build(steps)
        if self.params["tarball"] and to_build:
            self.fail_or_warn(
                "No archive holds a build of {0} {1} for kernel {2}.".format(
                    self.name, self.version, ", ".join(to_build)
                )
            )
            return
        missing = [
            {"kernel": k, "package": headers.headers_package(self.host.tree, k)}
            for k in to_build
            if not kernels.has_headers(self.host.tree, k)
        ]
        if missing:
            packages = [m["package"] for m in missing if m["package"]]
            self.fail_or_warn(
                "The headers of kernel {0} are missing, nothing was built.{1}".format(
                    ", ".join(m["kernel"] for m in missing),
                    " Install {0}.".format(" ".join(packages)) if packages else "",
                ),
                missing_headers=missing,
            )

    def run(self):
        wanted = self.wanted()
        records = self.host.tree_records(self.name, self.kernels)
        steps = None if records is None else plan(records, wanted)
        if steps is None or steps:
            records = self.host.records(self.name)
            steps = self.forget_broken(plan(records, wanted))
        before = states(records, self.kernels)
        self.preflight(records, steps)
        self.result["changed"] = bool(steps)
        if self.module.check_mode:
            self.result["actions"] = [" ".join(argv) for _verb, _kernel, argv in steps]
            after = predicted(records, wanted, steps)
        else:
            self.result["build_cpu_s"] = 0.0
            began_s = _children_cpu_s()
            for verb, kernel, argv in steps:
                self.step(verb, kernel, argv)
                if verb == "build":
                    self.result["build_cpu_s"] += round(_children_cpu_s() - began_s, 2)
                began_s = _children_cpu_s()
            if steps:
                records = self.host.records(self.name)
            after = states(records, self.kernels)
            self.verify(records, wanted)
        self.result["versions"] = after
        self.result["diff"] = {"before": _told(before), "after": _told(after)}
        if self.params["mktarball"]:
            self.pack(after)
        if self.params["state"] == "installed" and not self.module.check_mode:
            self.result["signing"] = self.signing()
            if self.result["signing"]["next_step"]:
                self.module.warn(self.result["signing"]["next_step"])
        self.module.exit_json(**self.result)

    def step(self, verb, kernel, argv):
        self.result["actions"].append(" ".join(argv))
        if verb == "forget":
            self.forget(argv[-1])
            return
        rc, out, err = self.module.run_command([self.host.dkms] + argv[1:])
        # 3 and 5: someone was faster. For a good archive without source, ldtarball says 1.
        if rc in {0, 3, 5} or verb == "ldtarball":
            return
        more = {"rc": rc, "stdout": out[-4000:], "stderr": err[-4000:]}
        if verb == "build":
            log = make_log(self.host.tree, self.name, self.version, kernel, self.host.arch)
            if log:
                more["make_log"] = log
        self.fail(
            "dkms {0} of {1} {2}{3} failed: {4}.".format(
                verb,
                self.name,
                self.version or "",
                " for kernel {0}".format(kernel) if kernel else "",
                meaning(rc),
            ),
            **more,
        )

    def forget_broken(self, steps):
        """DKMS cannot remove what has lost its source; with nothing built, its entry is all."""
        return [
            ("forget", None, ["rm", "-rf", self.entry(argv)])
            if verb == "remove" and self.is_broken(self.entry(argv))
            else (verb, kernel, argv)
            for verb, kernel, argv in steps
        ]

    def entry(self, argv):
        return "/var/lib/dkms/{0}/{1}".format(self.name, argv[argv.index("-v") + 1])

    def is_broken(self, entry):
        tree = self.host.tree
        if not tree.is_dir(entry) or tree.is_file(entry + "/source/dkms.conf"):
            return False
        if [name for name in tree.names(entry) if name not in {"source", "build"}]:
            self.fail(
                "{0} has lost its source tree, so dkms cannot remove it. Put /usr/src/{1} back and "
                "run this again.".format(entry, "-".join(entry.split("/")[-2:]))
            )
        return True

    def forget(self, entry):
        shutil.rmtree(self.host.tree.path(entry))
        try:
            os.rmdir(self.host.tree.path(os.path.dirname(entry)))
        except OSError:
            return  # other versions are left

    def verify(self, records, wanted):
        """DKMS says 0 to more than it did, so its own status has the last word."""
        if wanted.state == "absent":
            left = [r for r in records if wanted.version in {None, r["version"]}]
            if left:
                self.fail("dkms still knows {0} after its removal.".format(self.name))
            return
        if wanted.state == "added":
            short = [] if RANK[state_of(records, self.version, None)] else ["any kernel"]
        else:
            least = RANK[wanted.state]
            short = [k for k in self.kernels if RANK[state_of(records, self.version, k)] < least]
        if short:
            self.fail(
                "{0} {1} is not {2} for {3}, though dkms did not fail.".format(
                    self.name, self.version, wanted.state, ", ".join(short)
                )
            )

    def signing(self):
        signers = {
            kernel: self.host.say(["modinfo", "-k", kernel, "-F", "signer", self.name]) or None
            for kernel in self.kernels
        }
        return signing.told(
            self.host.tree, signers, lambda path: self.host.say(["mokutil", "--test-key", path])
        )

    def pack(self, after):
        """One archive a kernel: mktarball of 3.0 fails with more than one."""
        folder = self.params["mktarball"]
        told = []
        for kernel in self.kernels:
            path = os.path.join(
                folder,
                "{0}-{1}-{2}-{3}.dkms.tar.gz".format(
                    self.name, self.version, kernel, self.host.arch
                ),
            )
            if not self.fresh(path, kernel):
                self.result["changed"] = True
                argv = ["dkms", "mktarball", "-m", self.name, "-v", self.version, "-k", kernel]
                argv += ["--binaries-only", "--archive", path]
                if self.module.check_mode:
                    self.result["actions"].append(" ".join(argv))
                    continue
                if not os.path.isdir(folder):
                    os.makedirs(folder, 0o755)
                self.step("mktarball", kernel, argv)
            if not self.module.check_mode:
                told.append(_tarball_told(path, kernel, self.host.arch))
        if not self.module.check_mode:
            self.result["tarballs"] = told

    def fresh(self, path, kernel):
        built = self.host.tree.path(
            "/var/lib/dkms/{0}/{1}/{2}/{3}/module".format(
                self.name, self.version, kernel, self.host.arch
            )
        )
        return os.path.isfile(path) and _mtime(path) >= _newest_mtime(built)


def _tarball_told(path, kernel, arch):
    digest = hashlib.sha256()
    with open(path, "rb") as archive:
        for block in iter(lambda: archive.read(1 << 20), b""):
            digest.update(block)
    return {
        "kernel": kernel,
        "arch": arch,
        "path": path,
        "sha256": digest.hexdigest(),
        "size_bytes": os.path.getsize(path),
    }


def _told(versions):
    lines = [
        "{0} on {1}: {2}\n".format(version, kernel, state)
        for version, kernels in sorted(versions.items())
        for kernel, state in sorted(kernels.items())
        if state != "absent"
    ]
    return "".join(lines)


@contextlib.contextmanager
def alone(module, path=LOCK, wait_s=LOCK_WAIT_S):
    """Be the one run of this module on this host.

    A run whose connection was cut goes on building, and DKMS does not keep two apart.
    """

    def too_long(_number, _frame):
        module.fail_json(
            msg="Another run of this module on this host did not end within {0} s: "
            "see `fuser {1}`.".format(wait_s, path)
        )

    with open(path, "w") as stream:
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(wait_s)
        fcntl.flock(stream, fcntl.LOCK_EX)
        signal.alarm(0)
        yield


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str"},
            "state": {
                "type": "str",
                "choices": ["added", "built", "installed", "absent"],
                "default": "installed",
            },
            "kernels": {"type": "list", "elements": "str", "default": ["running"]},
            "tarball": {"type": "list", "elements": "path", "default": []},
            "mktarball": {"type": "path"},
            "other_versions": {
                "type": "str",
                "choices": ["keep", "older", "remove"],
                "default": "keep",
            },
            "force": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "added", ["version"]),
            ("state", "built", ["version"]),
            ("state", "installed", ["version"]),
        ],
        supports_check_mode=True,
    )
    for option in ("name", "version"):
        # They become parts of paths and words of command lines.
        if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_.+~:-]*$", module.params[option] or "x"):
            module.fail_json(msg="{0} is not a name that DKMS takes.".format(option))
    module.run_command_environ_update = {"LC_ALL": "C", "LANG": "C", "LANGUAGE": "C"}
    if module.check_mode:
        Dkms(module, Host(module)).run()
    with alone(module):
        Dkms(module, Host(module)).run()


if __name__ == "__main__":
    main()
