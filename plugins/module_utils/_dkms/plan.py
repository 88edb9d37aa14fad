# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that lead from the state of DKMS to the wanted state, in order.

Pure functions, so that check mode predicts what a run does.
"""

from ansible_collections.cipu.clock.plugins.module_utils._dkms.status import (
    is_newer,
    state_of,
    versions,
)

RANK = {"absent": 0, "broken": 0, "added": 1, "built": 2, "installed": 3}


class Wanted:
    """The wanted state, and what was read from the host in addition to the records."""

    def __init__(self, name, version, state, kernels, **more):
        self.name = name
        self.version = version
        self.state = state
        self.kernels = list(kernels)
        self.every_kernel = more.pop("every_kernel", True)  # for absent: kernels do not matter
        self.stale = set(more.pop("stale", ()))  # kernels whose build is older than the source
        self.tarballs = more.pop("tarballs", None) or {}  # kernel -> archive with its build
        self.other_builds = set(more.pop("other_builds", ()))  # archive has another build
        self.build_folders = (
            more.pop("build_folders", None) or {}
        )  # kernel -> folder, finished or not
        self.lost_source = more.pop("lost_source", None)  # dangling link to remove before add
        self.occupied = set(more.pop("occupied", ()))  # kernels with a module of that name
        self.purges = more.pop("purges", None) or {}  # version -> steps, where dkms cannot remove
        self.orphans = list(more.pop("orphans", ()))  # steps for modules without a version
        self.force = more.pop("force", False)
        self.other_versions = more.pop("other_versions", "keep")
        if more:
            raise TypeError("unknown: {0}".format(", ".join(sorted(more))))


def _dkms(verb, wanted, version=None, kernel=None, *more):
    argv = ["dkms", verb, "-m", wanted.name, "-v", version or wanted.version]
    if kernel is not None:
        argv += ["-k", kernel]
    return argv + list(more)


def plan(records, wanted):
    """A list of (verb, kernel or None, argv)."""
    if wanted.state == "absent":
        return _absent(records, wanted)
    steps = []
    if RANK[state_of(records, wanted.version, None)] < RANK["added"] or wanted.lost_source:
        if wanted.lost_source:
            steps.append(("rm", None, ["rm", wanted.lost_source]))
        steps.append(("add", None, _dkms("add", wanted)))
    for kernel in wanted.kernels if wanted.state != "added" else ():
        steps += _kernel_steps(records, wanted, kernel)
    for version in versions(records):
        if _goes(wanted, version):
            steps += _removal(wanted, version)
    return steps


def _absent(records, wanted):
    steps = []
    for version in versions(records):
        if wanted.version not in {None, version}:
            continue
        if wanted.every_kernel:
            steps += _removal(wanted, version)
            continue
        built = [r["kernel"] for r in records if r["version"] == version and r["kernel"]]
        for kernel in wanted.kernels:
            steps += _removal_of_kernel(wanted, version, kernel, kernel in built)
    return steps + wanted.orphans


def _removal_of_kernel(wanted, version, kernel, is_built):
    whole = wanted.purges.get(version, [])
    steps = [step for step in whole if step[1] == kernel]
    by_dkms = not whole or any(verb == "remove" for verb, _kernel, _argv in whole)
    if is_built and by_dkms:
        steps.append(("remove", kernel, _dkms("remove", wanted, version, kernel)))
    return steps


def _goes(wanted, version):
    """Whether another version is removed. DKMS builds its newest version for a new kernel."""
    if wanted.other_versions == "keep" or version == wanted.version:
        return False
    return wanted.other_versions == "remove" or is_newer(version, wanted.version)


def _removal(wanted, version):
    if version in wanted.purges:
        return wanted.purges[version]
    return [("remove", None, _dkms("remove", wanted, version, None, "--all"))]


def _kernel_steps(records, wanted, kernel):
    state = state_of(records, wanted.version, kernel)
    is_active = _is_active(records, wanted.version, kernel)
    steps = []
    redo = wanted.force or kernel in wanted.stale or kernel in wanted.other_builds
    if redo or RANK[state] < RANK["built"]:
        if kernel in wanted.tarballs:
            # DKMS refuses a version that it already has, unless forced.
            argv = ["dkms", "ldtarball", wanted.tarballs[kernel], "--force"]
            steps.append(("ldtarball", kernel, argv))
        else:
            # DKMS 2.8 does not build again even with --force, and DKMS 3.0 does not build if an
            # unfinished build exists.
            if kernel in wanted.build_folders:
                steps.append(("rm", kernel, ["rm", "-r", wanted.build_folders[kernel]]))
            steps.append(("build", kernel, _dkms("build", wanted, None, kernel)))
    if wanted.state == "installed" and (steps or state != "installed"):
        if is_active:
            # DKMS 2.8 does not install again even with --force.
            steps.append(("uninstall", kernel, _dkms("uninstall", wanted, None, kernel)))
        # DKMS does not replace a module of the same or a newer version unless forced: one of
        # another version, a file that was changed, a link that weak-modules made.
        occupied = is_active or kernel in wanted.occupied or _kernel_has_any(records, kernel)
        again = ["--force"] if redo or occupied else []
        steps.append(("install", kernel, _dkms("install", wanted, None, kernel, *again)))
    return steps


def _is_active(records, version, kernel):
    """Whether DKMS considers the version installed, even if the file is not the one built."""
    return any(
        (record["version"], record["kernel"], record["state"]) == (version, kernel, "installed")
        for record in records
    )


def _kernel_has_any(records, kernel):
    return any(record["kernel"] == kernel and record["state"] == "installed" for record in records)


def kernels_to_build(steps):
    return [kernel for verb, kernel, _argv in steps if verb == "build"]


def states(records, kernels):
    """The state of every version on every kernel, for the return value and the diff."""
    result = {}
    for known in versions(records):
        of_version = {kernel: state_of(records, known, kernel) for kernel in kernels}
        for record in records:
            if record["version"] == known and record["kernel"] is not None:
                kernel = record["kernel"]
                of_version[kernel] = state_of(records, known, kernel)
        result[known] = of_version
    return result


def predicted(records, wanted, steps):
    """The value of `states` after the steps."""
    after = states(records, wanted.kernels)
    purged = {version for version, steps_of in wanted.purges.items() if set_of(steps_of, steps)}
    for version in purged:
        after.pop(version, None)
    for verb, kernel, argv in steps:
        if verb == "remove":
            _remove(after, argv[argv.index("-v") + 1], kernel)
        elif verb == "rm" and wanted.state == "absent" and "-r" in argv:
            # The build folder of a version that DKMS cannot remove. Its entry is kept.
            version = argv[-1].split("/")[-3]
            if after.get(version, {}).get(kernel):
                others = set(after[version]) - {kernel}
                is_left = any(RANK[after[version][k]] >= RANK["built"] for k in others)
                after[version][kernel] = "added" if is_left else "broken"
        elif verb == "add":
            of_version = after.get(wanted.version) or dict.fromkeys(wanted.kernels, "added")
            after[wanted.version] = {
                k: "added" if RANK[state] < RANK["added"] else state
                for k, state in of_version.items()
            }
        elif verb in {"build", "ldtarball", "install"}:
            reached = "installed" if verb == "install" else "built"
            after.setdefault(wanted.version, {})[kernel] = reached
            if verb == "install":
                for version, of_version in after.items():
                    if version != wanted.version and of_version.get(kernel) == "installed":
                        of_version[kernel] = "built"
    return after


def set_of(part, whole):
    """Whether every step of a part is in the whole."""
    return bool(part) and all(step in whole for step in part)


def _remove(after, version, kernel):
    """With the last build that is removed, DKMS removes the version."""
    of_version = after.get(version, {})
    if kernel is not None:
        of_version[kernel] = "added"
    if kernel is None or not any(RANK[state] >= RANK["built"] for state in of_version.values()):
        after.pop(version, None)
