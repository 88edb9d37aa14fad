# SPDX-License-Identifier: GPL-3.0-or-later
"""The dkms module on a model of DKMS, for failures that the real one does not produce at will."""

import io
import os
import shutil
import tarfile

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.module_utils._dkms.archive import Archive
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree
from ansible_collections.cipu.clock.plugins.modules import dkms

ARCH = os.uname().machine
RUNNING = os.uname().release
KERNEL = "99.1.0-1-amd64"
VERSION = "0.1.0"
INSTALLED = "/lib/modules/{0}/updates/dkms/ptp_cipu.ko"
CONF = 'PACKAGE_NAME="ptp_cipu"\nBUILT_MODULE_NAME[0]="ptp_cipu"\n'
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


class Simulated:
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
        self.lay_down()
        return answer

    def lay_down(self):
        """The folders of DKMS and of the kernels, as the state would have left them."""
        base = self.folder / "var/lib/dkms/ptp_cipu"
        shutil.rmtree(str(base), ignore_errors=True)
        for version, kernels in self.known.items():
            (base / version / "source").mkdir(parents=True)
            (base / version / "source/dkms.conf").write_text(CONF)
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

    def do_uninstall(self, _argv, version, kernel):
        self.known[version][kernel] = "built"
        return 0, "", ""

    def do_remove(self, _argv, version, _kernel):
        for kernel, state in self.known.pop(version).items():
            if state == "installed":
                (self.folder / INSTALLED.format(kernel).lstrip("/")).unlink()
        return 0, "", ""

    def do_ldtarball(self, argv, _version, _kernel):
        for kernel in Archive(argv[2], ARCH).builds:
            self.known.setdefault(VERSION, {})[kernel] = "built"
        return 1, "", ""  # as 3.0 does for an archive without source

    def do_mktarball(self, argv, _version, kernel):
        write_tarball(argv[argv.index("--archive") + 1], kernel)
        return 0, "", ""


def write_tarball(path, *kernels):
    with tarfile.open(str(path), "w:gz") as archive:
        conf = 'PACKAGE_NAME="ptp_cipu"\nPACKAGE_VERSION="0.1.0"\n'.encode()
        info = tarfile.TarInfo("./dkms_binaries_only/dkms.conf")
        info.size = len(conf)
        archive.addfile(info, io.BytesIO(conf))
        for kernel in kernels:
            name = "./dkms_main_tree/{0}/{1}/module/ptp_cipu.ko".format(kernel, ARCH)
            info = tarfile.TarInfo(name)
            info.size = len(VERSION)
            archive.addfile(info, io.BytesIO(VERSION.encode()))


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
    put("usr/src/ptp_cipu-0.1.0/dkms.conf", CONF)
    put("usr/src/ptp_cipu-0.1.0/main.c")
    return tmp_path


def run(module):
    with pytest.raises(Ended) as ended:
        dkms.Dkms(module, dkms.Host(module, Tree(str(module.folder)))).run()
    return ended.value.result


def test_fresh_then_again(host):
    module = Simulated(host)
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
def test_check_mode_predicts_the_run(host, state, known, other_versions):
    def fresh(check_mode):
        kernels = None if state == "absent" else [KERNEL]
        module = Simulated(
            host, check_mode, state=state, other_versions=other_versions, kernels=kernels
        )
        module.known = {version: dict(kernels) for version, kernels in known.items()}
        module.lay_down()
        return module

    asked = fresh(True)
    planned = run(asked)
    second = fresh(False)
    did = run(second)
    for key in ("changed", "actions", "versions", "diff"):
        assert planned[key] == did[key], key
    assert asked.ran == []
    again = run(second)
    assert again["changed"] is False


ENFORCING = "sys/module/module/parameters/sig_enforce"


def test_signing_is_reported(host):
    signing = run(Simulated(host))["signing"]
    assert signing["enforced"] is False
    assert signing["signers"] == {KERNEL: "DKMS module signing key"}
    assert signing["certificate"] is None
    assert signing["next_step"] is None


@pytest.mark.parametrize(
    "signer, mokutil, words",
    [
        ("", "", "is not signed"),
        ("A key", "/x is not enrolled", "mokutil --import /var/lib/dkms/mok.pub"),
        ("A key", "/x is already enrolled", None),
        ("A key", "EFI variables are not supported on this system", "without UEFI no key can be"),
        ("A key", "EFI some other trouble", "mokutil --test-key /var/lib/dkms/mok.pub"),
    ],
)
def test_next_step_under_enforcement(host, signer, mokutil, words):
    firmware = [] if "not supported" in mokutil else [("sys/firmware/efi/.there", "")]
    for name, text in [(ENFORCING, "Y\n"), ("var/lib/dkms/mok.pub", ""), *firmware]:
        (host / name).parent.mkdir(parents=True, exist_ok=True)
        (host / name).write_text(text)
    module = Simulated(host)
    module.signer, module.mokutil = signer, mokutil
    signing = run(module)["signing"]
    assert signing["enforced"] is True
    if words is None:
        assert signing["next_step"] is None
        assert module.warnings == []
    else:
        assert words in signing["next_step"]
        assert module.warnings == [signing["next_step"]]


def test_the_cpu_time_of_a_build_is_reported(host):
    assert run(Simulated(host))["build_cpu_s"] >= 0


def test_an_administrators_certificate_is_found(host):
    (host / "etc/dkms/framework.conf.d").mkdir(parents=True)
    (host / "etc/dkms/framework.conf").write_text('# mok_certificate="/no"\n')
    (host / "etc/dkms/framework.conf.d/own.conf").write_text('mok_certificate="/etc/own.der"\n')
    (host / "etc/own.der").write_text("")
    assert run(Simulated(host))["signing"]["certificate"] == "/etc/own.der"


def test_missing_headers_are_reported_before_anything_is_done(host):
    (host / "lib/modules" / KERNEL / "build/Makefile").unlink()
    module = Simulated(host)
    result = run(module)
    assert result["failed"]
    assert "linux-headers-" + KERNEL in result["msg"]
    assert result["missing_headers"] == [{"kernel": KERNEL, "package": "linux-headers-" + KERNEL}]
    assert module.ran == []


def test_check_mode_on_a_fresh_host_warns_and_continues(host):
    (host / "lib/modules" / KERNEL / "build/Makefile").unlink()
    (host / "usr/src/ptp_cipu-0.1.0/dkms.conf").unlink()
    module = Simulated(host, True)
    module.get_bin_path = lambda name: None
    result = run(module)
    assert (result["failed"], result["changed"]) == (False, True)
    assert len(result["actions"]) == 3
    assert len(module.warnings) == 3
    assert module.ran == []


def test_without_dkms(host):
    module = Simulated(host)
    module.get_bin_path = lambda name: None
    assert "not installed" in run(module)["msg"]
    module.params["state"] = "absent"
    assert run(module)["changed"] is False


def test_without_source(host):
    (host / "usr/src/ptp_cipu-0.1.0/dkms.conf").unlink()
    result = run(Simulated(host))
    assert result["failed"]
    assert "/usr/src/ptp_cipu-0.1.0/dkms.conf" in result["msg"]


def test_a_failed_build_returns_the_log(host):
    module = Simulated(host)

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
def test_a_step_that_another_program_did_is_verified_and_does_not_fail(
    host, verb, rc, state, known
):
    module = Simulated(host, state=state)
    module.known = known
    module.fails[verb] = rc
    result = run(module)
    assert result["failed"]
    assert "though dkms reported no error" in result["msg"]


def test_unknown_kernel(host):
    result = run(Simulated(host, kernels=["1.2.3"]))
    assert result["failed"]
    assert "1.2.3" in result["msg"]
    assert KERNEL in result["msg"]


def test_all_kernels_that_boot(host):
    module = Simulated(host, kernels=["bootable", "running"])
    assert dkms.Dkms(module, dkms.Host(module, Tree(str(host)))).kernels == [RUNNING, KERNEL]


def test_a_kernel_without_a_build_is_named(host):
    archive = host / "t.tar.gz"
    write_tarball(archive, "other")
    module = Simulated(host, tarball=[str(archive)])
    result = run(module)
    assert result["failed"]
    assert KERNEL in result["msg"]
    assert module.ran == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00rubbish"])
def test_a_file_that_is_not_an_archive(host, content):
    archive = host / "t.tar.gz"
    archive.write_bytes(content)
    result = run(Simulated(host, tarball=[str(archive)]))
    assert result["failed"]
    assert "cannot be read" in result["msg"]


def test_a_removal_that_did_nothing_is_a_failure(host):
    (host / "var/lib/dkms/ptp_cipu/0.1.0/source").mkdir(parents=True)
    (host / "var/lib/dkms/ptp_cipu/0.1.0/source/dkms.conf").write_text("")
    module = Simulated(host, state="absent", kernels=None)
    module.known = {VERSION: {}}
    module.do_remove = lambda *_: (0, "", "")
    result = run(module)
    assert result["failed"]
    assert "is still there" in result["msg"]
