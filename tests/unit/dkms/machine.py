# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for the real DKMS: a mount namespace in which its folders are those of a test.

The module runs whole, as Ansible runs it, in a process of its own. A kernel is a folder; a build
compiles one C file whose only content is what modinfo reads.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ARCH = os.uname().machine
RUNNER = """
import importlib, sys
unit, name = sys.argv[1:]
del sys.argv[1:]
sys.path.insert(0, unit)
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.cipu.clock.plugins.modules." + name).main()
"""
MOUNTS = ("var/lib", "usr/src", "usr/lib/modules", "etc/dkms", "run")
SOURCE = """
#define INFO(tag, value) \\
  static const char tag[] __attribute__((section(".modinfo"), used)) = #tag "=" value
INFO(version, VERSION);
INFO(srcversion, SRCVERSION);
INFO(license, "GPL");
int hello;
"""
CONF = """PACKAGE_NAME="{name}"
PACKAGE_VERSION="{version}"
BUILT_MODULE_NAME[0]="{module}"
DEST_MODULE_LOCATION[0]="/updates/dkms"
AUTOINSTALL="yes"
MAKE[0]="gcc -c hello.c -o {module}.ko"
CLEAN="true"
"""


def reason_to_skip():
    if os.getuid() != 0:
        return "mounts need root"
    missing = [name for name in ("unshare", "gcc", "modinfo", "depmod") if not shutil.which(name)]
    if missing:
        return "not installed: " + ", ".join(missing)
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        return "no mount namespaces here"
    return None


@functools.lru_cache(maxsize=None)
def own_module():
    """A module of the kernel itself."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["gcc", "-x", "c", "-c", "-", "-o", folder + "/own.ko"],
            input=SOURCE.replace("SRCVERSION", '"OWN"').replace("VERSION", '"1"').encode(),
            check=True,
            timeout=60,
        )
        return Path(folder, "own.ko").read_bytes()


class Machine:
    """A simulated host with one version of DKMS."""

    def __init__(self, folder, dkms, os_release='ID=debian\nVERSION_ID="12"\n'):
        self.folder = folder
        self.dkms = Path(dkms)
        for mount in MOUNTS:
            (folder / mount).mkdir(parents=True)
        (folder / "var/lib/dkms").mkdir()
        (folder / "lib").symlink_to("usr/lib")
        (folder / "bin").mkdir()
        (folder / "os-release").write_text(os_release)
        (folder / "runner.py").write_text(RUNNER)
        self.install_dkms()

    def install_dkms(self):
        (self.folder / "bin/dkms").symlink_to(self.dkms)

    def remove_dkms(self):
        (self.folder / "bin/dkms").unlink()

    def path(self, name):
        return self.folder / name.replace("lib/modules", "usr/lib/modules").lstrip("/")

    def kernel(self, release, headers=True):
        top = self.path("lib/modules/" + release)
        (top / "kernel").mkdir(parents=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            (top / name).write_text("")
        # DKMS 3.2 runs depmod only for a kernel whose modules.dep is not empty.
        (top / "kernel/own.ko").write_bytes(own_module())
        subprocess.run(["depmod", "-b", str(self.folder), release], check=True, timeout=60)
        if headers:
            (top / "build/include/config").mkdir(parents=True)
            for name in ("Makefile", ".config", "include/config/auto.conf"):
                (top / "build" / name).write_text("")

    def source(self, version, name="cipu_hello", module="cipu_hello", srcversion="A"):
        folder = self.path("usr/src/{0}-{1}".format(name, version))
        folder.mkdir(parents=True, exist_ok=True)
        conf = CONF.format(name=name, version=version, module=module)
        (folder / "dkms.conf").write_text(conf)
        text = SOURCE.replace("SRCVERSION", '"{0}"'.format(srcversion))
        (folder / "hello.c").write_text(text.replace("VERSION", '"{0}"'.format(version)))
        return folder

    def command(self, argv, **more):
        binds = "".join(
            'mkdir -p /{0}; mount --bind "$0/{0}" /{0}\n'.format(mount) for mount in MOUNTS
        )
        script = (
            binds + 'mount --bind "$0/os-release" "$(readlink -f /etc/os-release)"\n'
            "if [ -e /usr/sbin/dkms ]; then mount --bind /dev/null /usr/sbin/dkms; fi\n"
            'PATH="$0/bin:$PATH" exec "$@"'
        )
        return subprocess.run(
            ["unshare", "--mount", "bash", "-ec", script, str(self.folder), *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            check=False,
            **more,
        )

    def run(self, argv):
        done = self.command(argv)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def module(self, name="cipu_hello", check=False, module="dkms", **params):
        arguments = dict(params, name=name, _ansible_check_mode=check)
        done = self.command(
            [
                sys.executable,
                str(self.folder / "runner.py"),
                str(ROOT / "tests/unit"),
                module,
            ],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, done.stdout + done.stderr
        return json.loads(lines[-1])

    def modinfo(self, kernel, field="srcversion", module="cipu_hello"):
        """The field of the module that modprobe would load; None without a module."""
        done = self.command(["modinfo", "-k", kernel, "-F", field, module])
        return done.stdout.strip() if done.returncode == 0 else None

    def modules(self):
        """Every module file of every kernel but its own, as paths below /lib/modules."""
        top = self.path("lib/modules")
        found = (path for path in top.glob("**/*.ko*") if path.name != "own.ko")
        return sorted(str(path.relative_to(top)) for path in found)

    def traces(self):
        """Versions of the module in DKMS."""
        tree = self.path("var/lib/dkms")
        return sorted(path.name for path in tree.glob("cipu*")) if tree.exists() else []
