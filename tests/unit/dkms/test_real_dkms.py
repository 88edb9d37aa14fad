# SPDX-License-Identifier: GPL-3.0-or-later
"""The dkms module on the real DKMS of three Debian releases."""

import json
import os
import re
import shutil
import subprocess

import pytest

pytest.importorskip("ansible.module_utils.basic")

from .machine import ARCH, ROOT, Machine, reason_to_skip

REASON = reason_to_skip()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

SERIES = ["2.8.4", "3.0.10", "3.2.2"]
ONE, TWO = "99.1.0-1-amd64", "99.2.0-1-amd64"
RHEL = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'


@pytest.fixture(scope="session")
def programs():
    cache = os.environ.get("CIPU_CACHE", str(ROOT / ".cache"))
    folder = os.path.join(cache, "dkms")
    fetched = subprocess.run(
        [str(ROOT / "tests/unit/dkms/fetch"), folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if fetched.returncode:
        pytest.skip("DKMS cannot be fetched: " + fetched.stdout.decode().strip())
    return folder


def made(programs, folder, series):
    machine = Machine(folder, os.path.join(programs, series, "dkms"))
    machine.series = series
    machine.kernel(ONE)
    machine.source("1.0")
    return machine


@pytest.fixture(params=SERIES)
def machine(request, programs, tmp_path):
    return made(programs, tmp_path, request.param)


@pytest.fixture
def newest(programs, tmp_path):
    """A machine for tests of code that is the same with every version of DKMS."""
    return made(programs, tmp_path, SERIES[-1])


def install(machine, version="1.0", kernels=(ONE,), **more):
    result = machine.module(version=version, kernels=list(kernels), **more)
    assert not result.get("failed"), json.dumps(result, indent=1)
    return result


def build_folder(machine, version="1.0", kernel=ONE):
    return machine.path("var/lib/dkms/cipu_hello/{0}/{1}/{2}".format(version, kernel, ARCH))


def gone(machine, **params):
    """Check mode, removal, and a second run; returns the result of the removal."""
    asked = machine.module(state="absent", check=True, **params)
    result = machine.module(state="absent", **params)
    assert not result.get("failed"), result
    assert asked["actions"] == result["actions"]
    assert asked["versions"] == result["versions"]
    again = machine.module(state="absent", **params)
    assert (again["changed"], again["actions"]) == (False, [])
    return result


def test_every_state_is_predicted_reached_and_kept(machine):
    for params, verbs in [
        ({"version": "1.0", "state": "added"}, ["add"]),
        ({"version": "1.0", "state": "built"}, ["build"]),
        ({"version": "1.0"}, ["install"]),
    ]:
        asked = machine.module(kernels=[ONE], check=True, **params)
        result = machine.module(kernels=[ONE], **params)
        assert not result.get("failed"), result
        assert [action.split()[1] for action in result["actions"]] == verbs
        for key in ("actions", "versions", "diff"):
            assert asked[key] == result[key], key
        again = machine.module(kernels=[ONE], **params)
        assert (again["changed"], again["actions"]) == (False, [])
    assert machine.modinfo(ONE) == "A"
    gone(machine)
    assert (machine.modules(), machine.traces()) == ([], [])


def test_upgrade_and_downgrade(machine):
    machine.source("2.0", srcversion="B")
    install(machine)
    install(machine, "2.0")
    assert machine.modinfo(ONE) == "B"
    result = install(machine, "1.0", other_versions="remove")
    assert result["versions"] == {"1.0": {ONE: "installed"}}
    assert machine.modinfo(ONE) == "A"


@pytest.mark.parametrize("state", ["installed", "absent"])
def test_absent_without_the_source_tree(machine, state):
    install(machine)
    shutil.rmtree(str(machine.path("usr/src/cipu_hello-1.0")))
    gone(machine)
    assert (machine.modules(), machine.traces()) == ([], [])
    assert machine.modinfo(ONE) is None
    if state == "installed":
        machine.source("1.0")
        install(machine)
        assert machine.modinfo(ONE) == "A"


def test_absent_without_dkms(machine):
    install(machine)
    machine.remove_dkms()
    gone(machine)
    assert (machine.modules(), machine.traces()) == ([], [])
    assert machine.modinfo(ONE) is None


def test_a_file_without_its_dkms_tree_is_removed(machine):
    install(machine)
    shutil.rmtree(str(machine.path("var/lib/dkms/cipu_hello")))
    gone(machine)
    assert machine.modules() == []


def test_absent_from_one_kernel(machine):
    machine.kernel(TWO)
    install(machine, kernels=[ONE, TWO])
    result = gone(machine, kernels=[ONE])
    assert result["versions"] == {"1.0": {ONE: "added", TWO: "installed"}}
    assert (machine.modinfo(ONE), machine.modinfo(TWO)) == (None, "A")
    gone(machine, kernels=[TWO])
    assert machine.modules() == []


def test_absent_from_one_kernel_without_source(machine):
    machine.kernel(TWO)
    install(machine, kernels=[ONE, TWO])
    shutil.rmtree(str(machine.path("usr/src/cipu_hello-1.0")))
    gone(machine, kernels=[ONE])
    assert (machine.modinfo(ONE), machine.modinfo(TWO)) == (None, "A")


def test_an_older_version_without_source_but_with_a_build(machine):
    machine.source("0.9", srcversion="OLD")
    install(machine, "0.9")
    install(machine)
    shutil.rmtree(str(machine.path("usr/src/cipu_hello-0.9")))
    result = install(machine, force=True)
    assert result["versions"]["1.0"] == {ONE: "installed"}
    assert machine.modinfo(ONE) == "A"
    result = install(machine, other_versions="remove")
    assert result["versions"] == {"1.0": {ONE: "installed"}}
    assert machine.modinfo(ONE) == "A"


def test_the_source_returns_elsewhere(machine):
    """The link of the entry is dangling, and the source is where DKMS would add it."""
    install(machine)
    link = machine.path("var/lib/dkms/cipu_hello/1.0/source")
    link.unlink()
    link.symlink_to("/no/such/tree")
    result = install(machine)
    assert [action.split()[0] for action in result["actions"]][:2] == ["rm", "dkms"]
    assert machine.modinfo(ONE) == "A"
    assert install(machine)["changed"] is False


@pytest.mark.parametrize("depth", ["module", "."])
def test_an_interrupted_build(machine, depth):
    install(machine, state="added")
    (build_folder(machine) / depth).mkdir(parents=True)
    result = install(machine)
    assert machine.modinfo(ONE) == "A"
    assert result["versions"] == {"1.0": {ONE: "installed"}}
    gone(machine)
    assert (machine.modules(), machine.traces()) == ([], [])


def test_absent_after_an_interrupted_build(machine):
    install(machine, state="added")
    (build_folder(machine) / "module").mkdir(parents=True)
    gone(machine)
    assert machine.traces() == []


def test_a_temporary_folder_is_not_taken_for_an_architecture(machine):
    install(machine)
    leftover = build_folder(machine).parent / ".tmp_{0}_abcdef".format(ARCH)
    (leftover / "module").mkdir(parents=True)
    (leftover / "module/cipu_hello.ko").write_text("")
    again = install(machine)
    assert (again["changed"], again["versions"]) == (False, {"1.0": {ONE: "installed"}})
    gone(machine)
    assert (machine.modules(), machine.traces()) == ([], [])


@pytest.mark.parametrize(
    "folder, os_release",
    [("kernel/drivers/ptp", None), ("updates/dkms", None), ("extra", RHEL)],
)
def test_a_former_module_is_restored(machine, folder, os_release):
    """DKMS keeps it as original_module, which is not a version."""
    if os_release:
        (machine.folder / "os-release").write_text(os_release)
    before = machine.path("lib/modules/{0}/{1}/cipu_hello.ko".format(ONE, folder))
    before.parent.mkdir(parents=True)
    source = machine.source("1.0", srcversion="BEFORE")
    subprocess.run(
        ["gcc", "-c", str(source / "hello.c"), "-o", str(before)], check=True, timeout=60
    )
    machine.source("1.0")
    result = install(machine)
    assert result["versions"] == {"1.0": {ONE: "installed"}}
    assert machine.modinfo(ONE) == "A"
    again = install(machine)
    assert (again["changed"], again["versions"]) == (False, {"1.0": {ONE: "installed"}})
    gone(machine)
    assert machine.traces() == []
    assert machine.modinfo(ONE) in {"BEFORE", None}


def test_a_weak_link_of_another_kernel(machine):
    machine.kernel(TWO)
    (machine.folder / "os-release").write_text(RHEL)
    install(machine)
    weak = machine.path("lib/modules/{0}/weak-updates/cipu_hello.ko".format(TWO))
    weak.parent.mkdir(parents=True)
    (installed,) = [name for name in machine.modules() if name.startswith(ONE)]
    weak.symlink_to("/lib/modules/" + installed)
    machine.run(["depmod", TWO])
    result = install(machine, kernels=[TWO])
    assert result["versions"]["1.0"][TWO] == "installed"
    path = machine.run(["modinfo", "-k", TWO, "-n", "cipu_hello"]).strip()
    assert "weak-updates" not in path
    gone(machine)
    assert machine.traces() == []


@pytest.mark.parametrize("place", ["etc/dkms/framework.conf", "etc/dkms/framework.conf.d/a.conf"])
def test_dkms_tree_elsewhere(machine, place):
    if machine.series == "2.8.4" and ".d/" in place:
        pytest.skip("DKMS 2.8 has no framework.conf.d")
    machine.path(place).parent.mkdir(parents=True, exist_ok=True)
    (machine.folder / "var/lib/elsewhere").mkdir()
    machine.path(place).write_text('dkms_tree="/var/lib/elsewhere"\n')
    install(machine)
    assert machine.path("var/lib/elsewhere/cipu_hello/1.0").is_dir()
    assert install(machine)["changed"] is False
    gone(machine)
    assert machine.modules() == []


def archive_of(machine, srcversion="A", version="1.0", **more):
    """An archive made on this machine, whose build is then removed."""
    machine.source(version, srcversion=srcversion, **more)
    name = more.get("name", "cipu_hello")
    folder = machine.folder / "var/lib/packed" / srcversion
    result = machine.module(
        name=name,
        version=version,
        kernels=[ONE],
        state="built",
        mktarball="/var/lib/packed/" + srcversion,
    )
    assert not result.get("failed"), result
    (record,) = result["tarballs"]
    machine.module(name=name, state="absent")
    assert (folder / os.path.basename(record["path"])).is_file()
    return record["path"]


def test_another_archive_of_the_same_version(machine):
    first, second = archive_of(machine, "A"), archive_of(machine, "B")
    install(machine, tarball=[first])
    assert machine.modinfo(ONE) == "A"
    assert install(machine, tarball=[first])["changed"] is False
    asked = machine.module(version="1.0", kernels=[ONE], tarball=[second], check=True)
    result = install(machine, tarball=[second])
    assert asked["actions"] == result["actions"]
    assert machine.modinfo(ONE) == "B"
    assert install(machine, tarball=[second])["changed"] is False


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_archive_never_falls_back_to_a_build(newest, damage):
    path = archive_of(newest)
    packed = newest.folder / path.lstrip("/")
    data = bytearray(packed.read_bytes())
    if damage == "cut":
        del data[len(data) * 2 // 3 :]
    else:
        data[len(data) // 2] ^= 0xFF
    packed.write_bytes(bytes(data))
    result = newest.module(version="1.0", kernels=[ONE], tarball=[path])
    assert result["failed"]
    assert "cannot be read" in result["msg"]
    assert newest.modules() == []


def test_an_archive_of_another_version(newest):
    path = archive_of(newest, version="2.0")
    result = newest.module(version="1.0", kernels=[ONE], tarball=[path])
    assert "contains cipu_hello 2.0, not cipu_hello 1.0" in result["msg"]
    assert newest.modules() == []


def test_a_damaged_pack_is_written_again(machine):
    params = {"state": "built", "mktarball": "/var/lib/packed"}
    (record,) = install(machine, **params)["tarballs"]
    assert install(machine, **params)["changed"] is False
    (machine.folder / record["path"].lstrip("/")).write_bytes(b"\x1f\x8b")
    assert install(machine, **params)["changed"] is True
    assert install(machine, **params)["changed"] is False


@pytest.mark.parametrize("module", ["cipu-hello", "other_name"])
def test_the_module_has_another_name_than_its_package(machine, module):
    machine.source("1.0", module=module)
    result = install(machine)
    assert machine.modinfo(ONE, module=module) == "A"
    assert result["signing"]["signers"] == {ONE: None}
    assert install(machine)["changed"] is False
    gone(machine)
    assert machine.modules() == []


def test_a_replaced_file_is_installed_again(machine):
    install(machine)
    (installed,) = machine.modules()
    machine.path("lib/modules/" + installed).write_bytes(b"another build")
    install(machine)
    assert machine.modinfo(ONE) == "A"


def test_a_changed_source_is_built_again(machine):
    install(machine)
    os.utime(str(next(build_folder(machine).glob("module/*.ko*"))), (1, 1))
    machine.source("1.0", srcversion="CHANGED")
    install(machine)
    assert machine.modinfo(ONE) == "CHANGED"


def test_an_installation_that_copies_nothing_is_a_failure(machine):
    """As on a full disk, where the copy fails and DKMS continues."""
    if machine.series == "2.8.4":
        pytest.skip("DKMS 2.8 sets its own PATH, so its cp cannot be replaced")
    (machine.folder / "bin/cp").write_text(
        '#!/bin/sh\ncase "$*" in */lib/modules/*) exit 0;; esac\nexec /bin/cp "$@"\n'
    )
    (machine.folder / "bin/cp").chmod(0o755)
    result = machine.module(version="1.0", kernels=[ONE])
    assert result["failed"]
    assert machine.modules() == []


def test_status_of_the_real_dkms_agrees(machine):
    machine.kernel(TWO)
    machine.source("2.0", srcversion="B")
    install(machine)
    result = install(machine, "2.0", kernels=[TWO], state="built")
    lines = machine.run(["dkms", "status", "-m", "cipu_hello"]).splitlines()
    listed = {}
    for line in lines:
        _name, version, kernel, _arch, state = re.split(r"[,/:] ?", line.split(" (")[0])[:5]
        listed.setdefault(version, {})[kernel] = state.strip()
    read = {
        version: {k: state for k, state in kernels.items() if state != "added"}
        for version, kernels in result["versions"].items()
    }
    assert read == listed


def test_a_lock_that_is_not_a_regular_file(newest):
    (newest.folder / "run/cipu-clock-dkms.lock").symlink_to("/var/lib/victim")
    (newest.folder / "var/lib/victim").write_text("content")
    result = newest.module(version="1.0", kernels=[ONE])
    assert result["failed"]
    assert "/run/cipu-clock-dkms.lock cannot be opened" in result["msg"]
    assert (newest.folder / "var/lib/victim").read_text() == "content"


def test_the_lock_is_for_root_alone(newest):
    install(newest, state="added")
    mode = (newest.folder / "run/cipu-clock-dkms.lock").stat().st_mode
    assert mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "params, words",
    [
        ({"name": ""}, "name: ''"),
        ({"name": "foo\n"}, "name: 'foo\\n'"),
        ({"name": "--all"}, "name: '--all'"),
        ({"name": "../x"}, "name: '../x'"),
        ({"version": "1.0 -k x"}, "version:"),
        ({"version": "original_module"}, "name of a folder of DKMS"),
        ({"kernels": []}, "kernels is empty"),
        ({"kernels": ["--help"]}, "kernels: '--help'"),
        ({"kernels": ["../../etc"]}, "kernels: '../../etc'"),
        ({"tarball": ["t.tar.gz"]}, "not an absolute path"),
    ],
)
def test_names_and_kernels_are_validated(newest, params, words):
    result = newest.module(**dict({"version": "1.0"}, **params))
    assert result["failed"]
    assert words in result["msg"]


SIGN_FILE = """#!/bin/sh
echo "$DEBIAN_FRONTEND $@" >>/var/lib/dkms/signed
"""
SHIM = "/var/lib/shim-signed/mok/MOK"


@pytest.mark.parametrize("series", SERIES[1:])
@pytest.mark.parametrize("settings, expected", [("", SHIM), ("key", "/etc/dkms/own")])
def test_ubuntus_dkms_signs_with_the_key_of_shim_signed(
    programs, tmp_path, series, settings, expected
):
    machine = made(programs, tmp_path, series)
    (machine.folder / "os-release").write_text('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n')
    suffixes = {SHIM: (".priv", ".der"), "/etc/dkms/own": (".key", ".der")}
    for path, names in suffixes.items():
        for name in names:
            place = machine.path(path + name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("made up")
    if settings:
        conf = "mok_signing_key={0}.key\nmok_certificate={0}.der\n".format("/etc/dkms/own")
        machine.path("etc/dkms/framework.conf").write_text(conf)
    sign = machine.path("lib/modules/{0}/build/scripts/sign-file".format(ONE))
    sign.parent.mkdir()
    sign.write_text(SIGN_FILE)
    sign.chmod(0o755)
    config = machine.path("lib/modules/{0}/build/include/config/auto.conf".format(ONE))
    config.write_text('CONFIG_MODULE_SIG_HASH="sha512"\n')
    result = install(machine)
    key, certificate = (expected + suffix for suffix in suffixes[expected])
    words = machine.path("var/lib/dkms/signed").read_text().split()
    assert words[:4] == ["noninteractive", "sha512", key, certificate]
    assert result["signing"]["certificate"] == certificate
