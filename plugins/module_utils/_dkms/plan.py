# SPDX-License-Identifier: GPL-3.0-or-later
"""From what DKMS has to what is wanted: the commands, in order.

Pure, so that check mode tells the truth.
"""

from ansible_collections.cipu.clock.plugins.module_utils._dkms.status import (
    is_newer,
    state_of,
    versions,
)

RANK = {"absent": 0, "broken": 0, "added": 1, "built": 2, "installed": 3}


class Wanted:
    """What the caller asks for, and what the host says of each kernel."""

    def __init__(
        self,
        name,
        version,
        state,
        kernels,
        stale=(),
        tarballs=None,
        force=False,
        other_versions="keep",
    ):
        self.name = name
        self.version = version
        self.state = state
        self.kernels = list(kernels)
        self.stale = set(stale)  # kernels whose build is older than the source
        self.tarballs = tarballs or {}  # kernel -> archive that holds its build
        self.force = force
        self.other_versions = other_versions


def _dkms(verb, wanted, version=None, kernel=None, *more):
    argv = ["dkms", verb, "-m", wanted.name, "-v", version or wanted.version]
    if kernel is not None:
        argv += ["-k", kernel]
    return argv + list(more)


def plan(records, wanted):
    """A list of (verb, kernel or None, argv)."""
    if wanted.state == "absent":
        gone = [wanted.version] if wanted.version else versions(records)
        present = set(versions(records))
        return [_removal(wanted, version) for version in gone if version in present]
    steps = []
    if RANK[state_of(records, wanted.version, None)] < RANK["added"]:
        steps.append(("add", None, _dkms("add", wanted)))
    for kernel in wanted.kernels if wanted.state != "added" else ():
        steps += _kernel_steps(records, wanted, kernel)
    return steps + [_removal(wanted, v) for v in versions(records) if _goes(wanted, v)]


def _goes(wanted, version):
    """Whether another version goes: DKMS gives a new kernel the newest that it knows."""
    if wanted.other_versions == "keep" or version == wanted.version:
        return False
    return wanted.other_versions == "remove" or is_newer(version, wanted.version)


def _removal(wanted, version):
    return ("remove", None, _dkms("remove", wanted, version, None, "--all"))


def _kernel_steps(records, wanted, kernel):
    state = state_of(records, wanted.version, kernel)
    steps = []
    redo = wanted.force or kernel in wanted.stale
    if redo or RANK[state] < RANK["built"]:
        again = ["--force"] if RANK[state] >= RANK["built"] else []
        if kernel in wanted.tarballs:
            # Without --force a version that is known already is refused.
            argv = ["dkms", "ldtarball", wanted.tarballs[kernel], "--force"]
            steps.append(("ldtarball", kernel, argv))
        else:
            steps.append(("build", kernel, _dkms("build", wanted, None, kernel, *again)))
    if wanted.state == "installed" and (steps or state != "installed"):
        # DKMS takes a module for older that is not newer: going back needs --force, and so does
        # replacing a file that no longer is the one that was built.
        again = ["--force"] if redo or _kernel_has_any(records, kernel) else []
        steps.append(("install", kernel, _dkms("install", wanted, None, kernel, *again)))
    return steps


def _kernel_has_any(records, kernel):
    return any(
        record["kernel"] == kernel and record["state"] in {"installed", "installed-weak"}
        for record in records
    )


def kernels_to_build(steps):
    return [kernel for verb, kernel, _argv in steps if verb == "build"]


def states(records, kernels):
    """The state of every version on every kernel told of, for the return value and the diff."""
    told = {}
    for known in versions(records):
        of_version = {kernel: state_of(records, known, kernel) for kernel in kernels}
        for record in records:
            if record["version"] == known and record["kernel"] is not None:
                kernel = record["kernel"]
                of_version[kernel] = state_of(records, known, kernel)
        told[known] = of_version
    return told


def predicted(records, wanted, steps):
    """What `states` will be once the steps have run."""
    after = states(records, wanted.kernels)
    for verb, kernel, argv in steps:
        if verb == "remove":
            after.pop(argv[argv.index("-v") + 1], None)
        elif verb == "forget":
            after.pop(argv[-1].rsplit("/", 1)[-1], None)
        elif verb == "add":
            of_version = after.setdefault(wanted.version, {})
            after[wanted.version] = dict.fromkeys(of_version or wanted.kernels, "added")
        else:
            reached = "installed" if verb == "install" else "built"
            after.setdefault(wanted.version, {})[kernel] = reached
            if verb == "install":
                for version, of_version in after.items():
                    if version != wanted.version and of_version.get(kernel) == "installed":
                        of_version[kernel] = "built"
    return after
