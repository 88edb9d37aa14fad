# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of DKMS, and what is planned from them."""

import re

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._dkms.plan import Wanted, plan, predicted
from ansible_collections.cipu.clock.plugins.module_utils._dkms.status import (
    is_newer,
    make_log,
    meaning,
    state_of,
)
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

OLD, NEW = "6.1.0-39-amd64", "6.1.0-40-amd64"


def records(text):
    """Records from lines as `dkms status` prints them; (differs) marks a changed file."""
    found = []
    for line in text.splitlines():
        head, _colon, tail = line.partition(": ")
        name, version, kernel, arch = (re.split(r"[ ,/]+", head) + [None, None])[:4]
        record = {"name": name, "version": version, "kernel": kernel, "arch": arch}
        record["state"] = tail.split()[0]
        record["notes"] = ["differs"] if "(differs)" in tail else []
        found.append(record)
    return found


@pytest.mark.parametrize(
    "line, state",
    [
        ("n/1, K, x86_64: installed", "installed"),
        ("n/1, K, x86_64: installed (differs)", "built"),
        ("n/1, K, x86_64: built", "built"),
        ("n/1: added", "added"),
        ("n/1: broken", "broken"),
        ("n/1, J, x86_64: installed", "added"),
        ("n/2, K, x86_64: installed", "absent"),
        ("", "absent"),
    ],
)
def test_state(line, state):
    assert state_of(records(line), "1", "K") == state


def commands(status, **wanted):
    """The plan for ptp_cipu 0.1.0 on the newer kernel, unless wanted says otherwise."""
    options = {"name": "ptp_cipu", "version": "0.1.0", "state": "installed", "kernels": [NEW]}
    options.update(wanted)
    steps = plan(records(status), Wanted(**options))
    return [" ".join(argv[1:]).replace(" -m ptp_cipu -v 0.1.0", "") for _v, _k, argv in steps]


NEVER_SEEN = ""
ADDED = "ptp_cipu/0.1.0: added\n"
BUILT = "ptp_cipu/0.1.0, 6.1.0-40-amd64, x86_64: built\n"
INSTALLED = "ptp_cipu/0.1.0, 6.1.0-40-amd64, x86_64: installed\n"
DIFFERS = INSTALLED.rstrip() + " (differs)\n"
OTHER = "ptp_cipu/0.2.0, 6.1.0-40-amd64, x86_64: installed\n"
OLDER = "ptp_cipu/0.0.9, 6.1.0-40-amd64, x86_64: built\n"
BUILD, INSTALL = "build -k " + NEW, "install -k " + NEW


@pytest.mark.parametrize(
    "status, wanted, expected",
    [
        (NEVER_SEEN, {}, ["add", BUILD, INSTALL]),
        (NEVER_SEEN, {"state": "added"}, ["add"]),
        (NEVER_SEEN, {"state": "built"}, ["add", BUILD]),
        (ADDED, {}, [BUILD, INSTALL]),
        (ADDED, {"state": "added"}, []),
        (BUILT, {}, [INSTALL]),
        (BUILT, {"state": "built"}, []),
        (INSTALLED, {}, []),
        (INSTALLED, {"state": "built"}, []),
        (INSTALLED, {"kernels": [OLD, NEW]}, ["build -k " + OLD, "install -k " + OLD]),
        (DIFFERS, {}, ["uninstall -k " + NEW, INSTALL + " --force"]),
        # Going back to a version that is not newer needs --force.
        (OTHER, {}, ["add", BUILD, INSTALL + " --force"]),
        (INSTALLED, {"stale": [NEW]}, [BUILD, "uninstall -k " + NEW, INSTALL + " --force"]),
        (
            INSTALLED,
            {"force": True, "build_folders": {NEW: "/b"}},
            ["-r /b", BUILD, "uninstall -k " + NEW, INSTALL + " --force"],
        ),
        (BUILT, {"occupied": [NEW]}, [INSTALL + " --force"]),
        (
            INSTALLED,
            {"tarballs": {NEW: "/t"}, "other_builds": [NEW]},
            ["ldtarball /t --force", "uninstall -k " + NEW, INSTALL + " --force"],
        ),
        (NEVER_SEEN, {"tarballs": {NEW: "/t"}}, ["add", "ldtarball /t --force", INSTALL]),
        (INSTALLED, {"tarballs": {NEW: "/t"}}, []),
        (
            OTHER,
            {"other_versions": "remove"},
            ["add", BUILD, INSTALL + " --force", "remove -m ptp_cipu -v 0.2.0 --all"],
        ),
        (
            OTHER,
            {"other_versions": "older"},
            ["add", BUILD, INSTALL + " --force", "remove -m ptp_cipu -v 0.2.0 --all"],
        ),
        (INSTALLED + OLDER, {"other_versions": "older"}, []),
        (INSTALLED + OLDER, {"other_versions": "remove"}, ["remove -m ptp_cipu -v 0.0.9 --all"]),
        (INSTALLED, {"state": "absent"}, ["remove --all"]),
        (
            INSTALLED,
            {"state": "absent", "every_kernel": False},
            ["remove -k " + NEW],
        ),
        (INSTALLED, {"state": "absent", "every_kernel": False, "kernels": [OLD]}, []),
        (
            INSTALLED,
            {"state": "absent", "purges": {"0.1.0": [("rm", None, ["rm", "/x"])]}},
            ["/x"],
        ),
        (ADDED + OTHER, {"state": "absent"}, ["remove --all"]),
        (
            INSTALLED + OTHER,
            {"state": "absent", "version": None},
            ["remove --all", "remove -m ptp_cipu -v 0.2.0 --all"],
        ),
        (NEVER_SEEN, {"state": "absent"}, []),
        ("ptp_cipu/0.1.0: broken\n", {}, ["add", BUILD, INSTALL]),
    ],
)
def test_plan(status, wanted, expected):
    assert commands(status, **wanted) == expected


@pytest.mark.parametrize(
    "first, second, newer",
    [
        ("0.1.1", "0.1.0", True),
        ("0.1.0", "0.1.1", False),
        ("0.1.0", "0.1.0", False),
        ("0.10.0", "0.9.0", True),
        ("0.9.0", "0.10.0", False),
        ("1.0", "0.1.0-1", True),
        ("0.1.0-1", "1.0", False),
        ("0.1.1", "0.1.rc2", True),
        ("0.1.rc2", "0.1.1", False),
    ],
)
def test_the_version_that_a_new_kernel_gets(first, second, newer):
    assert is_newer(first, second) is newer


@pytest.mark.parametrize("status", [NEVER_SEEN, ADDED, BUILT, OTHER, DIFFERS])
def test_the_prediction_is_the_state_after_the_steps(status):
    had = records(status)
    wanted = Wanted("ptp_cipu", "0.1.0", "installed", [NEW])
    after = predicted(had, wanted, plan(had, wanted))
    assert after["0.1.0"] == {NEW: "installed"}
    assert after.get("0.2.0", {NEW: "built"}) == {NEW: "built"}


def test_prediction_of_a_removal():
    had = records(INSTALLED)
    wanted = Wanted("ptp_cipu", None, "absent", [NEW])
    assert predicted(had, wanted, plan(had, wanted)) == {}


def test_exit_statuses_are_explained():
    assert meaning(21) == "the kernel's headers are missing"
    assert meaning(99) == "dkms ended with status 99"


def test_end_of_the_log(tmp_path):
    folder = tmp_path / "var/lib/dkms/n/1/build"
    folder.mkdir(parents=True)
    (folder / "make.log").write_text("\n".join("line {0}".format(i) for i in range(100)))
    log = make_log(Tree(str(tmp_path)), "/var/lib/dkms/n/1", "K", "x86_64")
    assert log.splitlines()[-1] == "line 99"
    assert len(log.splitlines()) == 30
    assert make_log(Tree(str(tmp_path)), "/var/lib/dkms/n/2", "K", "x86_64") is None
