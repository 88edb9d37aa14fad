# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings one version of a DKMS module to a state, and verifies the result."""

import os
import resource
import shutil

from ansible_collections.cipu.clock.plugins.module_utils._dkms import (
    archive,
    purge,
    signing,
    status,
)
from ansible_collections.cipu.clock.plugins.module_utils._dkms.plan import (
    RANK,
    Wanted,
    kernels_to_build,
    plan,
    predicted,
    states,
)
from ansible_collections.cipu.clock.plugins.module_utils._host import headers, kernels

# Statuses of a step that another program has done in the meantime.
DONE_ALREADY = (3, 5)
OUTPUT_LIMIT = 4000


def _children_cpu_s():
    """CPU seconds of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Dkms:
    def __init__(self, module, host):
        self.module = module
        self.host = host
        self.params = module.params
        self.name = self.params["name"]
        self.version = self.params["version"]
        self.state = self.params["state"]
        self.result = {"changed": False, "actions": []}
        self.kernels = self.resolve_kernels()
        self.result["kernels"] = self.kernels

    def fail(self, message, **more):
        self.result.update(more)
        self.module.fail_json(msg=message, **self.result)

    def fail_or_warn(self, message, **more):
        """In check mode an earlier task might have installed what is missing."""
        if not self.module.check_mode:
            self.fail(message, **more)
        self.result.update(more)
        self.module.warn(message)

    # The wanted state.

    def resolve_kernels(self):
        running = os.uname().release
        asked = self.params["kernels"]
        if asked is None:
            asked = ["running"]
        resolved = []
        for kernel in asked:
            if kernel == "bootable":
                releases = self.host.bootable(running)
            else:
                releases = [running if kernel == "running" else kernel]
            resolved += [release for release in releases if release not in resolved]
        tree, top = self.host.tree, self.host.framework.install_tree
        unknown = [k for k in resolved if not tree.is_dir(top + "/" + k)]
        if unknown and self.state in {"built", "installed"}:
            self.fail(
                "No such kernel on this host: {0}. Installed are: {1}.".format(
                    ", ".join(unknown), ", ".join(tree.names(top)) or "none"
                )
            )
        return resolved

    def archives(self):
        """kernel -> archive with its build."""
        chosen = {}
        for path in self.params["tarball"]:
            try:
                found = archive.Archive(path, self.host.arch)
            except archive.Damaged as reason:
                self.fail_or_warn("The archive {0} cannot be read: {1}.".format(path, reason))
                continue
            if found.builds and not found.is_of(self.name, self.version):
                self.fail(
                    "The archive {0} contains {1} {2}, not {3} {4}.".format(
                        path, found.package, found.version, self.name, self.version
                    )
                )
            for kernel in found.builds:
                chosen.setdefault(kernel, found)
        return chosen

    def wanted(self, records, archives):
        host, name, version = self.host, self.name, self.version
        more = {}
        if self.state in {"built", "installed"}:
            short = [k for k in self.kernels if status.state_of(records, version, k) != "installed"]
            folders = {kernel: host.build(name, version, kernel) for kernel in self.kernels}
            more.update(
                build_folders={k: f for k, f in folders.items() if host.tree.is_dir(f)},
                occupied=[k for k in short if host.occupied(name, version, k)],
                other_builds=[
                    k
                    for k in self.kernels
                    if k in archives and not host.has_build(name, version, k, archives[k].builds[k])
                ],
            )
            if not self.params["tarball"]:
                more["stale"] = [k for k in self.kernels if host.stale(name, version, k)]
        if self.state != "absent":
            more["lost_source"] = host.lost_source(name, version)
        return Wanted(
            name,
            version,
            self.state,
            self.kernels,
            every_kernel=self.params["kernels"] is None,
            tarballs={kernel: found.path for kernel, found in archives.items()},
            purges=self.purges(records),
            orphans=self.orphans(records),
            force=self.params["force"],
            other_versions=self.params["other_versions"],
            **more,
        )

    def purges(self, records):
        """Steps for each version that `dkms remove` cannot remove, or only in part."""
        found = {}
        if self.state != "absent" and self.params["other_versions"] == "keep":
            return found
        for version in status.versions(records):
            entry = self.host.entry(self.name, version)
            if self.host.dkms is None or not status.has_source(self.host.tree, entry):
                found[version] = purge.steps(self.host, self.name, version)
            elif self.host.leftovers(self.name, version):
                argv = ["dkms", "remove", "-m", self.name, "-v", version, "--all"]
                found[version] = [
                    ("rm", kernel, ["rm", "-r", folder])
                    for kernel, folder in self.host.leftovers(self.name, version)
                ] + [("remove", None, argv)]
        return found

    def orphans(self, records):
        if self.state != "absent" or self.version or self.params["kernels"] is not None:
            return []
        return purge.orphans(self.host, self.name, records)

    def preflight(self, steps):
        """Report everything that is certain to fail before the first command."""
        if self.host.dkms is None and any(argv[0] == "dkms" for _verb, _kernel, argv in steps):
            self.fail_or_warn("dkms is not installed. Install the package dkms.")
        if any(verb == "add" for verb, _kernel, _argv in steps):
            conf = self.host.source(self.name, self.version) + "/dkms.conf"
            if not self.host.tree.is_file(conf):
                self.fail_or_warn("There is no source tree to add: {0} is missing.".format(conf))
        to_build = kernels_to_build(steps)
        if self.params["tarball"] and to_build:
            self.fail_or_warn(
                "No archive contains a build of {0} {1} for kernel {2}.".format(
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

    # The run.

    def run(self):
        archives = self.archives()
        records = self.host.records(self.name, self.kernels)
        wanted = self.wanted(records, archives)
        steps = plan(records, wanted)
        before = states(records, self.kernels)
        installed = self.installed_files(records, wanted)
        self.preflight(steps)
        self.result["changed"] = bool(steps)
        if self.module.check_mode:
            self.result["actions"] = [" ".join(argv) for _verb, _kernel, argv in steps]
            after = predicted(records, wanted, steps)
        else:
            self.carry_out(steps, archives)
            records = self.host.records(self.name, self.kernels) if steps else records
            after = states(records, self.kernels)
            self.verify(records, wanted, installed)
        self.result["versions"] = after
        self.result["diff"] = {"before": _lines(before), "after": _lines(after)}
        if self.params["mktarball"]:
            self.pack()
        if self.state == "installed" and not self.module.check_mode:
            self.result["signing"] = self.signing()
            if self.result["signing"]["next_step"]:
                self.module.warn(self.result["signing"]["next_step"])
        self.module.exit_json(**self.result)

    def carry_out(self, steps, archives):
        self.result["build_cpu_s"] = 0.0
        for verb, kernel, argv in steps:
            began_s = _children_cpu_s()
            self.step(verb, kernel, argv)
            if verb == "build":
                spent_s = _children_cpu_s() - began_s
                self.result["build_cpu_s"] = round(self.result["build_cpu_s"] + spent_s, 2)
            if verb == "ldtarball" and not self.host.has_build(
                self.name, self.version, kernel, archives[kernel].builds[kernel]
            ):
                # `dkms install` would now silently build from the source.
                self.fail(
                    "dkms ldtarball did not load the build for kernel {0} from {1}.".format(
                        kernel, archives[kernel].path
                    )
                )

    def step(self, verb, kernel, argv):
        self.result["actions"].append(" ".join(argv))
        if verb in {"rm", "mv"}:
            self.change_files(verb, argv)
            return
        program = self.host.dkms if argv[0] == "dkms" else self.module.get_bin_path(argv[0], True)
        rc, out, err = self.module.run_command([program] + argv[1:])
        # ldtarball exits with 1 for a valid archive without source. Its result is verified.
        if rc in {0} | set(DONE_ALREADY) or verb == "ldtarball":
            return
        more = {"rc": rc, "stdout": out[-OUTPUT_LIMIT:], "stderr": err[-OUTPUT_LIMIT:]}
        if verb == "build":
            entry = self.host.entry(self.name, self.version)
            log = status.make_log(self.host.tree, entry, kernel, self.host.arch)
            if log:
                more["make_log"] = log
        self.fail(
            "{0} {1} of {2} {3}{4} failed: {5}.".format(
                argv[0],
                verb,
                self.name,
                self.version or "",
                " for kernel {0}".format(kernel) if kernel else "",
                status.meaning(rc) if argv[0] == "dkms" else (err or out).strip()[-200:],
            ).replace("depmod depmod", "depmod"),
            **more,
        )

    def change_files(self, verb, argv):
        paths = [self.host.tree.path(path) for path in argv[1:] if path != "-r"]
        try:
            if verb == "mv":
                shutil.move(*paths)
            elif "-r" in argv:
                shutil.rmtree(paths[0])
            else:
                os.unlink(paths[0])
        except OSError as error:
            self.fail("{0} failed: {1}.".format(" ".join(argv), error.strerror or error))
        self.remove_empty(os.path.dirname(argv[-1]))

    def remove_empty(self, folder):
        """Remove the module's own folders above what was removed, once they are empty."""
        base = self.host.base(self.name)
        while folder == base or folder.startswith(base + "/"):
            try:
                os.rmdir(self.host.tree.path(folder))
            except OSError:
                return
            folder = os.path.dirname(folder)

    # Verification: an exit status of 0 proves nothing.

    def installed_files(self, records, wanted):
        """path -> checksum of the files of the versions and kernels to remove."""
        if self.state != "absent":
            return {}
        paths = [
            path
            for record in records
            if record["state"] == "installed" and self.goes(record, wanted)
            for path in purge.installed_files(
                self.host,
                record["kernel"],
                "{0}/{1}/{2}/module".format(
                    self.host.entry(self.name, record["version"]), record["kernel"], record["arch"]
                ),
            )
        ]
        return {path: self.host.checksum(path) for path in paths}

    def goes(self, record, wanted):
        is_version = wanted.version in {None, record["version"]}
        return is_version and (wanted.every_kernel or record["kernel"] in self.kernels)

    def verify(self, records, wanted, installed):
        if self.state == "absent":
            self.verify_absent(records, wanted, installed)
            return
        if self.state == "added":
            is_short = not RANK[status.state_of(records, self.version, None)]
            short = ["any kernel"] if is_short else []
        else:
            least = RANK[self.state]
            short = [
                k for k in self.kernels if RANK[status.state_of(records, self.version, k)] < least
            ]
        if short:
            self.fail(
                "{0} {1} is not {2} for {3}, though dkms reported no error.{4}".format(
                    self.name, self.version, self.state, ", ".join(short), self.shadowed(short)
                )
            )

    def shadowed(self, short):
        """The file that the kernel would load instead, as a sentence."""
        for kernel in short if self.state == "installed" else ():
            for stem in self.host.built_stems(self.name, self.version, kernel):
                path = self.host.loaded_by(kernel, stem)
                if path:
                    return " Kernel {0} loads {1} instead.".format(kernel, path)
                if self.host.module_paths(kernel, {stem}):
                    return " modprobe does not find it, run depmod {0}.".format(kernel)
        return ""

    def verify_absent(self, records, wanted, installed):
        left = {"{0} {1}".format(self.name, r["version"]) for r in records if self.goes(r, wanted)}
        # Under the same path, DKMS may have restored the module that it had found there.
        left |= {path for path, digest in installed.items() if self.host.checksum(path) == digest}
        if left:
            self.fail(
                "{0} is still there after its removal, though dkms reported no error.".format(
                    ", ".join(sorted(left))
                )
            )

    # Archives and signatures.

    def pack(self):
        """One archive per kernel: mktarball of 3.0 fails with more than one."""
        folder, packed = self.params["mktarball"], []
        for kernel in self.kernels:
            file_name = "{0}-{1}-{2}-{3}.dkms.tar.gz".format(
                self.name, self.version, kernel, self.host.arch
            )
            path = os.path.join(folder, file_name)
            if not self.is_packed(path, kernel):
                self.result["changed"] = True
                argv = ["dkms", "mktarball", "-m", self.name, "-v", self.version, "-k", kernel]
                argv += ["--binaries-only", "--archive", path]
                if self.module.check_mode:
                    self.result["actions"].append(" ".join(argv))
                    continue
                os.makedirs(folder, 0o755, exist_ok=True)
                self.step("mktarball", kernel, argv)
                if not self.is_packed(path, kernel):
                    self.fail("dkms mktarball did not pack the build into {0}.".format(path))
            if not self.module.check_mode:
                packed.append(archive.describe(path, kernel, self.host.arch))
        if not self.module.check_mode:
            self.result["tarballs"] = packed

    def is_packed(self, path, kernel):
        """Whether the archive is whole and has the build that the host has."""
        try:
            found = archive.Archive(path, self.host.arch)
        except archive.Damaged:
            return False
        checksums = found.builds.get(kernel, {})
        return bool(checksums) and self.host.has_build(self.name, self.version, kernel, checksums)

    def signing(self):
        """Signer and key of each kernel's modules. One unsigned module counts as unsigned."""
        signers, keys = {}, {}
        for kernel in self.kernels:
            stems = self.host.built_stems(self.name, self.version, kernel)
            asked = [self.field(kernel, "signer", stem) for stem in stems]
            signers[kernel] = asked[0] if asked and all(asked) else None
            keys[kernel] = [self.field(kernel, "sig_key", stem) for stem in stems]
        return signing.record(
            self.host.tree,
            self.host.framework,
            signers,
            keys,
            lambda path: self.host.say(["mokutil", "--test-key", path]),
        )

    def field(self, kernel, field, stem):
        return self.host.say(["modinfo", "-k", kernel, "-F", field, stem]) or None


def _lines(versions):
    lines = [
        "{0} on {1}: {2}\n".format(version, kernel, state)
        for version, of_version in sorted(versions.items())
        for kernel, state in sorted(of_version.items())
        if state != "absent"
    ]
    return "".join(lines)
