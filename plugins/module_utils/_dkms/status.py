# SPDX-License-Identifier: GPL-3.0-or-later
"""What DKMS says and means, for its 2.8, 3.0 and 3.2 series."""

import re

STATES = ("added", "built", "installed")

# dkms exit status -> what it means. 1 is used for too much to be of help.
EXIT_MEANING = {
    2: "the source tree is missing",
    3: "it was added or built already",
    5: "it was installed already",
    6: "the installation failed",
    7: "the build left no module behind",
    8: "dkms.conf is malformed",
    10: "the build failed",
    13: "a build dependency is missing",
    14: "a kernel hook failed",
    21: "the kernel's headers are missing",
    77: "dkms.conf excludes this kernel (BUILD_EXCLUSIVE)",
}

# The words of 3.2 and those of the series before it say the same.
_SUFFIXES = (
    ("original_module", "original module"),
    ("differs", "diff between built and installed"),
    ("differs", "differences between built and installed"),
    ("files_missing", "missing some built modules"),
    ("files_missing", "built modules are missing"),
)


def parse_status(text):
    """`dkms status` as a list of records: name, version, kernel, arch, state, notes.

    "n, v, k, a: state" is the form of 2.8, "n/v, k, a: state" that of 3.x. Kernel and arch are None
    where the module is only added. Lines of no known form (warnings) are left out.
    """
    records = []
    for line in text.splitlines():
        head, colon, tail = line.strip().partition(": ")
        fields = [field for field in re.split(r"[ ,/]+", head) if field]
        words = tail.split()
        if not colon or not words or len(fields) not in {2, 4}:
            continue
        state = words[0].rstrip(",")
        if state not in STATES + ("broken", "installed-weak"):
            continue
        notes = {note for note, words_of in _SUFFIXES if words_of in tail.lower().replace("_", " ")}
        kernel, arch = fields[2:] if len(fields) == 4 else (None, None)
        records.append(
            {
                "name": fields[0],
                "version": fields[1],
                "kernel": kernel,
                "arch": arch,
                "state": state,
                "notes": sorted(notes),
            }
        )
    return records


def read_tree(tree, name):
    """The same records from DKMS's own folder, in a hundredth of the time `dkms status` takes.

    They do not tell whether an installed file is still the one that was built.
    """
    base = "/var/lib/dkms/" + name
    records = []
    for version in tree.names(base):
        entry = "{0}/{1}".format(base, version)
        if tree.link(entry) is not None or not tree.is_dir(entry):
            continue
        built = _built(tree, base, version)
        whole = "added" if tree.is_file(entry + "/source/dkms.conf") else "broken"
        if not built:
            built = [(None, None, whole)]
        for kernel, arch, state in built:
            records.append(
                {
                    "name": name,
                    "version": version,
                    "kernel": kernel,
                    "arch": arch,
                    "state": state,
                    "notes": [],
                }
            )
    return records


def _built(tree, base, version):
    """(kernel, arch, state) of what is built of a version."""
    entry = "{0}/{1}".format(base, version)
    found = []
    for kernel in tree.names(entry):
        for arch in tree.names("{0}/{1}".format(entry, kernel)):
            if not tree.is_dir("{0}/{1}/{2}/module".format(entry, kernel, arch)):
                continue
            target = tree.link("{0}/kernel-{1}-{2}".format(base, kernel, arch)) or ""
            whole = "/".join([version, kernel, arch])
            installed = target == whole or target.endswith("/" + whole)
            found.append((kernel, arch, "installed" if installed else "built"))
    return found


def state_of(records, version, kernel):
    """One of absent, broken, added, built, installed for that version on that kernel."""
    state = "absent"
    for record in records:
        if record["version"] != version:
            continue
        if record["kernel"] == kernel:
            state = "installed" if record["state"] == "installed-weak" else record["state"]
            if state == "installed" and {"differs", "files_missing"} & set(record["notes"]):
                return "built"
            return state
        if record["kernel"] is None and record["state"] == "broken":
            state = "broken"
        elif state == "absent":
            # A version built for another kernel is, for this one, just added.
            state = "added"
    return state


def versions(records):
    return sorted({record["version"] for record in records})


def is_newer(version, other):
    """Whether DKMS takes `version` for newer, and so gives it to a new kernel."""
    return _version_parts(version) > _version_parts(other)


def _version_parts(version):
    """Numbers by their value, and after words."""
    parts = re.findall(r"[0-9]+|[a-z]+", version.lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def meaning(rc):
    return EXIT_MEANING.get(rc, "dkms ended with status {0}".format(rc))


def make_log(tree, name, version, kernel, arch, lines=30):
    """The last lines of the log of the last build; None if there is no log."""
    base = "/var/lib/dkms/{0}/{1}".format(name, version)
    for path in ("{0}/build/make.log", "{0}/{1}/{2}/log/make.log"):
        text = tree.text(path.format(base, kernel, arch), 1024 * 1024)
        if text:
            return "\n".join(text.splitlines()[-lines:])
    return None
