# SPDX-License-Identifier: GPL-3.0-or-later
"""The dkms module against a made-up DKMS: a model that keeps state and speaks like 3.0."""

import io
import os
import shutil
import tarfile

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree
from ansible_collections.cipu.clock.plugins.modules import dkms

ARCH = os.uname().machine
RUNNING = os.uname().release
KERNEL = "99.1.0-1-amd64"
VERSION = "0.1.0"
INSTALLED = "/lib/modules/{0}/updates/dkms/ptp_cipu.ko"
DEFAULTS = {
    "name": "ptp_cipu",
    "version": VERSION,
    "state": "installed",
    "kernels": [KERNEL],
    "tarball": [],
    "mktarball": None,
    "other_versions": "keep",
    "force": False,
}


class Ended(Exception):
    def __init__(self, result):
        Exception.__init__(self, result.get("msg"))
        self.result = result


class MadeUp:
    """Stands in for AnsibleModule and, through run_command, for the host's DKMS."""

    def __init__(self, folder, check_mode=False, **params):
        self.params = dict(DEFAULTS, **params)
        self.check_mode = check_mode
        self.folder = folder
        self.warnings = []
        self.known = {}  # version -> kernel -> state
        self.fails = {}  # verb -> exit status
        self.ran = []
        self.signer = "DKMS module signing key"
        self.mokutil = "/var/lib/dkms/mok.pub is not enrolled\n"

    def get_bin_path(self, name):
        return "/usr/sbin/" + name

    def warn(self, message):
        self.warnings.append(message)

    def exit_json(self, **result):
        raise Ended(dict(result, failed=False))

    def fail_json(self, **result):
        raise Ended(dict(result, failed=True))

    def run_command(self, argv):
        if os.path.basename(argv[0]) == "modinfo":
            if argv[3] == "-n":
                return 0, INSTALLED.format(argv[2]) + "\n", ""
            return 0, self.signer + "\n", ""
        if os.path.basename(argv[0]) == "mokutil":
            return 1, self.mokutil, ""
        self.ran.append(argv)
        verb, options = argv[1], dict(zip(argv[2:], argv[3:]))
        if verb in self.fails:
            return self.fails[verb], "", "Error! " + verb
        answer = getattr(self, "do_" + verb)(argv, options.get("-v"), options.get("-k"))
        if verb != "status":
            self.lay_down()
        return answer

    def lay_down(self):
        """The folders of DKMS and of the kernels, as the state would have left them."""
        base = self.folder / "var/lib/dkms/ptp_cipu"
        shutil.rmtree(str(base), ignore_errors=True)
        for version, kernels in self.known.items():
            (base / version / "source").mkdir(parents=True)
            (base / version / "source/dkms.conf").write_text("")
            for kernel, state in kernels.items():
                built = base / version / kernel / ARCH
                (built / "module").mkdir(parents=True)
                (built / "module/ptp_cipu.ko").write_text(version)
                if state == "installed":
                    link = base / "kernel-{0}-{1}".format(kernel, ARCH)
                    link.symlink_to("/".join([version, kernel, ARCH]))
                    installed = self.folder / INSTALLED.format(kernel).lstrip("/")
                    installed.parent.mkdir(parents=True, exist_ok=True)
                    installed.write_text(version)

    def do_status(self, _argv, _version, _kernel):
        lines = []
        for version, kernels in sorted(self.known.items()):
            for kernel, state in sorted(kernels.items()):
                lines.append("ptp_cipu/{0}, {1}, {2}: {3}".format(version, kernel, ARCH, state))
            if not kernels:
                lines.append("ptp_cipu/{0}: added".format(version))
        return 0, "\n".join(lines) + "\n", ""

    def do_add(self, _argv, version, _kernel):
        self.known.setdefault(version, {})
        return 0, "", ""

    def do_build(self, _argv, version, kernel):
        self.known[version][kernel] = "built"
        return 0, "", ""

    def do_install(self, argv, version, kernel):
        for other, kernels in self.known.items():
            if other != version and kernels.get(kernel) == "installed":
                if "--force" not in argv:
                    return 6, "", "not newer"
                kernels[kernel] = "built"
        self.known[version][kernel] = "installed"
        return 0, "", ""

    def do_remove(self, _argv, version, _kernel):
        del self.known[version]
        return 0, "", ""

    def do_ldtarball(self, argv, _version, _kernel):
        for kernel in dkms.kernels_in_tarball(argv[2], ARCH):
            self.known.setdefault(VERSION, {})[kernel] = "built"
        return 1, "", ""  # as 3.0 does for an archive without source

    def do_mktarball(self, argv, _version, kernel):
        write_tarball(argv[argv.index("--archive") + 1], kernel)
        return 0, "", ""


def write_tarball(path, *kernels):
    with tarfile.open(str(path), "w:gz") as archive:
        for kernel in kernels:
            name = "./dkms_main_tree/{0}/{1}/module/ptp_cipu.ko".format(kernel, ARCH)
            archive.addfile(tarfile.TarInfo(name), io.BytesIO(b""))


@pytest.fixture
def host(tmp_path):
    """A Debian host with one kernel, its headers and the source tree."""

    def put(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    put("etc/os-release", "ID=debian\n")
    put("boot/vmlinuz-" + KERNEL)
    put("lib/modules/" + KERNEL + "/build/Makefile")
    put("lib/modules/" + KERNEL + "/build/include/generated.h")
    put("lib/modules/" + RUNNING + "/modules.dep")
    put("usr/src/ptp_cipu-0.1.0/dkms.conf")
    put("usr/src/ptp_cipu-0.1.0/main.c")
    return tmp_path


def run(module):
    with pytest.raises(Ended) as ended:
        dkms.Dkms(module, dkms.Host(module, Tree(str(module.folder)))).run()
    return ended.value.result


def test_fresh_then_again(host):
    module = MadeUp(host)
    first = run(module)
    assert first["changed"]
    assert first["actions"] == [
        "dkms add -m ptp_cipu -v 0.1.0",
        "dkms build -m ptp_cipu -v 0.1.0 -k " + KERNEL,
        "dkms install -m ptp_cipu -v 0.1.0 -k " + KERNEL,
    ]
    assert first["versions"] == {VERSION: {KERNEL: "installed"}}
    assert first["diff"] == {
        "before": "",
        "after": "0.1.0 on {0}: installed\n".format(KERNEL),
    }
    second = run(module)
    assert (second["changed"], second["actions"]) == (False, [])
    assert second["diff"]["before"] == second["diff"]["after"]


@pytest.mark.parametrize("state", ["added", "built", "installed", "absent"])
@pytest.mark.parametrize(
    "known", [{}, {VERSION: {}}, {VERSION: {KERNEL: "built"}}, {"0.2.0": {KERNEL: "installed"}}]
)
@pytest.mark.parametrize("other_versions", ["keep", "older", "remove"])
def test_check_mode_tells_what_then_happens(host, state, known, other_versions):
    def fresh(check_mode):
        module = MadeUp(host, check_mode, state=state, other_versions=other_versions)
        module.known = {version: dict(kernels) for version, kernels in known.items()}
        module.lay_down()
        return module

    asked = fresh(True)
    told = run(asked)
    done = fresh(False)
    did = run(done)
    for key in ("changed", "actions", "versions", "diff"):
        assert told[key] == did[key], key
    assert {argv[1] for argv in asked.ran} <= {"status"}
    again = run(done)
    assert again["changed"] is False


ENFORCING = "sys/module/module/parameters/sig_enforce"


def test_signing_is_told(host):
    told = run(MadeUp(host))["signing"]
    assert told["enforced"] is False
    assert told["signers"] == {KERNEL: "DKMS module signing key"}
    assert told["certificate"] is None
    assert told["next_step"] is None


@pytest.mark.parametrize(
    "signer, mokutil, words",
    [
        ("", "", "is not signed"),
        ("A key", "/x is not enrolled", "mokutil --import /var/lib/dkms/mok.pub"),
        ("A key", "/x is already enrolled", None),
        ("A key", "EFI variables are not supported on this system", "without UEFI none can be"),
        ("A key", "EFI some other trouble", "mokutil --test-key /var/lib/dkms/mok.pub"),
    ],
)
def test_what_is_to_be_done_under_enforcement(host, signer, mokutil, words):
    firmware = [] if "not supported" in mokutil else [("sys/firmware/efi/.there", "")]
    for name, text in [(ENFORCING, "Y\n"), ("var/lib/dkms/mok.pub", ""), *firmware]:
        (host / name).parent.mkdir(parents=True, exist_ok=True)
        (host / name).write_text(text)
    module = MadeUp(host)
    module.signer, module.mokutil = signer, mokutil
    told = run(module)["signing"]
    assert told["enforced"] is True
    if words is None:
        assert told["next_step"] is None
        assert module.warnings == []
    else:
        assert words in told["next_step"]
        assert module.warnings == [told["next_step"]]


def test_only_one_run_at_a_time(tmp_path):
    module = MadeUp(tmp_path)
    path = str(tmp_path / "lock")
    with dkms.alone(module, path):
        second = dkms.alone(module, path, wait_s=1)
        with pytest.raises(Ended, match=r"Another run .* within 1 s"):
            second.__enter__()
    with dkms.alone(module, path, wait_s=1):
        assert os.path.isfile(path)


def test_what_a_build_cost_is_told(host):
    assert run(MadeUp(host))["build_cpu_s"] >= 0


def test_an_owners_certificate_is_found(host):
    (host / "etc/dkms/framework.conf.d").mkdir(parents=True)
    (host / "etc/dkms/framework.conf").write_text('# mok_certificate="/no"\n')
    (host / "etc/dkms/framework.conf.d/own.conf").write_text('mok_certificate="/etc/own.der"\n')
    (host / "etc/own.der").write_text("")
    assert run(MadeUp(host))["signing"]["certificate"] == "/etc/own.der"


def test_missing_headers_are_said_before_anything_is_done(host):
    (host / "lib/modules" / KERNEL / "build/Makefile").unlink()
    module = MadeUp(host)
    result = run(module)
    assert result["failed"]
    assert "linux-headers-" + KERNEL in result["msg"]
    assert result["missing_headers"] == [{"kernel": KERNEL, "package": "linux-headers-" + KERNEL}]
    assert [argv[1] for argv in module.ran] == ["status"]


def test_check_mode_on_a_fresh_host_warns_and_goes_on(host):
    (host / "lib/modules" / KERNEL / "build/Makefile").unlink()
    (host / "usr/src/ptp_cipu-0.1.0/dkms.conf").unlink()
    module = MadeUp(host, True)
    module.get_bin_path = lambda name: None
    result = run(module)
    assert (result["failed"], result["changed"]) == (False, True)
    assert len(result["actions"]) == 3
    assert len(module.warnings) == 3
    assert module.ran == []


def test_without_dkms(host):
    module = MadeUp(host)
    module.get_bin_path = lambda name: None
    assert "not installed" in run(module)["msg"]
    module.params["state"] = "absent"
    assert run(module)["changed"] is False


def test_without_source(host):
    (host / "usr/src/ptp_cipu-0.1.0/dkms.conf").unlink()
    result = run(MadeUp(host))
    assert result["failed"]
    assert "/usr/src/ptp_cipu-0.1.0/dkms.conf" in result["msg"]


def test_a_failed_build_returns_the_log(host):
    module = MadeUp(host)

    def fail(*_):
        log = host / "var/lib/dkms/ptp_cipu/0.1.0/build/make.log"
        log.parent.mkdir(parents=True)
        log.write_text("cc1: error: that is no C\n")
        return 10, "", ""

    module.do_build = fail
    module.lay_down = lambda: None
    result = run(module)
    assert result["failed"]
    assert result["rc"] == 10
    assert "the build failed" in result["msg"]
    assert "that is no C" in result["make_log"]
    assert result["actions"][-1].startswith("dkms build")


@pytest.mark.parametrize(
    "verb, rc, state, known",
    [("add", 3, "added", {}), ("install", 5, "installed", {VERSION: {KERNEL: "built"}})],
)
def test_a_step_done_by_another_is_no_failure_but_is_verified(host, verb, rc, state, known):
    module = MadeUp(host, state=state)
    module.known = known
    module.fails[verb] = rc
    result = run(module)
    assert result["failed"]
    assert "though dkms did not fail" in result["msg"]


@pytest.mark.parametrize(
    "known",
    [
        {},
        {VERSION: {}},
        {VERSION: {KERNEL: "built", RUNNING: "installed"}, "0.2.0": {KERNEL: "installed"}},
    ],
)
def test_the_folder_tells_what_dkms_tells(host, known):
    module = MadeUp(host)
    module.known = known
    module.lay_down()
    told = dkms.Host(module, Tree(str(host))).records("ptp_cipu")

    def ordered(records):
        return sorted(records, key=lambda record: (record["version"], record["kernel"] or ""))

    assert ordered(dkms.read_tree(Tree(str(host)), "ptp_cipu")) == ordered(told)


def test_where_nothing_is_to_be_done_dkms_is_not_asked(host):
    module = MadeUp(host)
    run(module)
    del module.ran[:]
    assert run(module)["changed"] is False
    assert module.ran == []


@pytest.mark.parametrize("content", [None, "another build"])
def test_a_file_that_is_not_the_one_built_is_for_dkms_to_judge(host, content):
    module = MadeUp(host)
    run(module)
    installed = host / INSTALLED.format(KERNEL).lstrip("/")
    if content is None:
        installed.unlink()
    else:
        installed.write_text(content)
    del module.ran[:]
    module.do_status = lambda *_: (
        0,
        "ptp_cipu/0.1.0, {0}, {1}: installed (Differences between built and installed "
        "modules)\n".format(KERNEL, ARCH),
        "",
    )
    result = run(module)
    assert [argv[1] for argv in module.ran] == ["status", "install", "status"]
    assert module.ran[1][-1] == "--force"
    assert result["failed"]  # since this DKMS says the same for ever


def test_unknown_kernel(host):
    result = run(MadeUp(host, kernels=["1.2.3"]))
    assert result["failed"]
    assert "1.2.3" in result["msg"]
    assert KERNEL in result["msg"]


def test_all_kernels_that_boot(host):
    module = MadeUp(host, kernels=["bootable", "running"])
    assert dkms.Dkms(module, dkms.Host(module, Tree(str(host)))).kernels == [RUNNING, KERNEL]


def test_a_changed_source_is_built_anew(host):
    module = MadeUp(host)
    run(module)
    built = host / "var/lib/dkms/ptp_cipu/0.1.0" / KERNEL / ARCH / "module/ptp_cipu.ko"
    assert run(module)["changed"] is False
    os.utime(str(built), (1, 1))
    assert [action.split()[1] for action in run(module)["actions"]] == ["build", "install"]
    # Times to come, left by a clock that was wrong, prove nothing.
    for name in ("dkms.conf", "main.c"):
        os.utime(str(host / "usr/src/ptp_cipu-0.1.0" / name), (1 << 33, 1 << 33))
    assert run(module)["changed"] is False


def test_from_an_archive(host):
    archive = host / "t.tar.gz"
    write_tarball(archive, KERNEL, "other")
    (host / "lib/modules" / KERNEL / "build/Makefile").unlink()
    module = MadeUp(host, tarball=[str(archive)])
    result = run(module)
    assert not result["failed"]
    assert [action.split()[1] for action in result["actions"]] == ["add", "ldtarball", "install"]
    assert run(module)["changed"] is False


def test_a_kernel_that_nobody_built_for_is_named(host):
    archive = host / "t.tar.gz"
    write_tarball(archive, "other")
    module = MadeUp(host, tarball=[str(archive)])
    result = run(module)
    assert result["failed"]
    assert KERNEL in result["msg"]
    assert [argv[1] for argv in module.ran] == ["status"]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00rubbish"])
def test_an_archive_that_is_none(host, content):
    archive = host / "t.tar.gz"
    archive.write_bytes(content)
    result = run(MadeUp(host, tarball=[str(archive)]))
    assert result["failed"]
    assert "cannot be read" in result["msg"]


def test_packing(host):
    built = host / "var/lib/dkms/ptp_cipu/0.1.0" / KERNEL / ARCH / "module/ptp_cipu.ko"
    module = MadeUp(host, state="built", mktarball=str(host / "cache"))
    asked = MadeUp(host, True, state="built", mktarball=str(host / "cache"))
    told, did = run(asked), run(module)
    assert told["actions"] == did["actions"]
    os.utime(str(built), (os.path.getmtime(did["tarballs"][0]["path"]),) * 2)
    again = run(module)
    assert again["changed"] is False
    (packed,) = again["tarballs"]
    assert packed["kernel"] == KERNEL
    assert packed["path"].endswith(".dkms.tar.gz")
    assert len(packed["sha256"]) == 64
    assert packed["size_bytes"] > 0
    assert dkms.kernels_in_tarball(packed["path"], ARCH) == {KERNEL}


def test_what_lost_its_source_is_forgotten(host):
    base = host / "var/lib/dkms/ptp_cipu/0.1.0"
    base.mkdir(parents=True)
    (base / "source").symlink_to("/no/such/tree")
    module = MadeUp(host, state="absent")
    module.known = {VERSION: {}}
    statuses = iter([module.known, {}])
    module.do_status = lambda *_: (
        0,
        "".join("ptp_cipu/{0}: broken\n".format(version) for version in next(statuses)),
        "",
    )
    result = run(module)
    assert result["changed"]
    assert not (host / "var/lib/dkms/ptp_cipu").exists()


def test_what_lost_its_source_and_is_built_is_told(host):
    base = host / "var/lib/dkms/ptp_cipu/0.1.0"
    (base / KERNEL).mkdir(parents=True)
    module = MadeUp(host, state="absent")
    module.known = {VERSION: {KERNEL: "installed"}}
    result = run(module)
    assert result["failed"]
    assert "lost its source" in result["msg"]


def test_a_removal_that_did_nothing_is_told(host):
    (host / "var/lib/dkms/ptp_cipu/0.1.0/source").mkdir(parents=True)
    (host / "var/lib/dkms/ptp_cipu/0.1.0/source/dkms.conf").write_text("")
    module = MadeUp(host, state="absent")
    module.known = {VERSION: {}}
    module.do_remove = lambda *_: (0, "", "")
    result = run(module)
    assert result["failed"]
    assert "still knows" in result["msg"]
