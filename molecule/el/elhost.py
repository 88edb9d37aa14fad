# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that is laid out like EL 9: systemd, dnf and rpm are real; the kernel is this host's.

Its root is an overlay over a Debian tree, whose package manager is hidden. It has no network, no
control of the clock and no device; /sys/bus/pci/devices shows one CIPU function.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import eltree
import rpms
import trees
from fleet import paths
from fleet.build import build_once
from fleet.errors import LabError
from fleet.progress import say
from fleet.waiting import until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OLD = "5.14.0-503.14.1.el9_5.x86_64"
NEW = "5.14.0-503.15.1.el9_5.x86_64"
_BOOT_S = 240
_SECONDS = 1800
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
OS_RELEASE = """NAME="Rocky Linux"
VERSION="9.5 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.5"
PLATFORM_ID="platform:el9"
"""
# The first entry that GRUB shows is the newest; the saved entry is what grubby sets.
GRUB_CFG = """load_env
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="${saved_entry}"
fi
insmod blscfg
blscfg
"""
GONE = (
    *("etc/debian_version", "etc/apt", "var/lib/dpkg", "var/lib/apt", "usr/bin/dpkg"),
    *("usr/bin/dpkg-query", "usr/bin/apt", "usr/bin/apt-get", "usr/bin/apt-cache"),
    *("usr/sbin/chronyd", "usr/bin/chronyc", "etc/chrony", "etc/default/chrony"),
    *("usr/lib/systemd/system/chrony.service", "usr/sbin/dkms", "usr/lib/dkms", "etc/dkms"),
    *("usr/lib/systemd/system/chronyd.service", "etc/systemd/system/chronyd.service"),
    *("etc/systemd/system/multi-user.target.wants/chrony.service", "etc/kernel", "var/lib/chrony"),
)


def missing() -> str:
    """Why the container cannot run here; empty if it can."""
    if os.geteuid() != 0:
        return "a container needs root"
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is not installed (package systemd-container)"
    return ""


def repository(tree: Path) -> Path:
    """The repository of the host, built once for each state of this folder."""
    files = [HERE / "rpms.py", Path(__file__), *sorted((HERE / "files").iterdir())]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files))
    digest.update(tree.parent.name.encode())
    target = paths.cache() / "el" / digest.hexdigest()[:12]

    def make(work: Path) -> None:
        kernels = [rpms.kernel(work, release) for release in (OLD, NEW)]
        devel = [rpms.kernel_devel(tree, work, release) for release in (OLD, NEW)]
        stubs = [rpms.stub(name, work) for name in ("gcc", "make")]
        base = [rpms.base(work), rpms.chrony(tree, work), rpms.dkms(tree, work)]
        script = rpms.build_script([*base, *stubs, *kernels, *devel])
        (work / "build.sh").write_text(script)
        (found,) = trees.ensure(all_of=(eltree.WANTED,))
        done = trees.run(found, work, "sh /build/build.sh", _SECONDS)
        if done.returncode:
            raise RuntimeError(f"The packages were not built:\n{done.stdout}{done.stderr}")

    return build_once(target, "Packages of the EL-like host", make, say) / "repository"


class Host:
    def __init__(self) -> None:
        # Not below /, since the layers of an overlay must not contain each other.
        self.folder = Path(tempfile.mkdtemp(prefix="cipu-el-", dir="/dev/shm"))
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        self.root = self.folder / "root"
        self.container: subprocess.Popen[bytes] | None = None

    # Layout.

    def create(self) -> None:
        tree = eltree.ensure()
        mount = ["mount", "-t", "overlay", "overlay", "-o"]
        layers = f"lowerdir={tree},upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run([*mount, layers, str(self.root)], check=True)
        for name in GONE:
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.is_symlink() or path.exists():
                path.unlink()
        for path in (self.root / "usr/lib/modules").iterdir():
            shutil.rmtree(path)
        for name in ("os-release", "redhat-release", "rocky-release", "system-release"):
            path = self.root / "etc" / name
            path.unlink(missing_ok=True)
            is_fields = name == "os-release"
            path.write_text(OS_RELEASE if is_fields else "Rocky Linux release 9.5 (Blue Onyx)\n")
        self.write("/etc/machine-id", "5ab0c1d2e3f405162738495a6b7c8d9e\n")
        self.write("/etc/hostname", "el\n")
        self.write("/boot/grub2/grub.cfg", GRUB_CFG)
        local = "[local]\nname=local\nbaseurl=file:///repository\ngpgcheck=0\n"
        self.write("/etc/yum.repos.d/local.repo", local)
        shutil.copytree(repository(tree), self.root / "repository")
        weak = self.root / "usr/sbin/weak-modules"
        shutil.copy(HERE / "files/weak-modules", weak)
        # udevd does not run in a container.
        self.write("/usr/local/sbin/udevadm", "#!/bin/sh\n", 0o755)
        uevent = "PCI_ID=1DED:500C\nPCI_SLOT_NAME=0000:00:10.0\n"
        for name, content in (("uevent", uevent), ("vendor", "0x1ded\n"), ("device", "0x500c\n")):
            self.write(f"/pci/0000:00:10.0/{name}", content)

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    # Life.

    def boot(self) -> None:
        command = [
            *("systemd-nspawn", "--quiet", "--boot", "--private-network", "--console=pipe"),
            # This machine may run no systemd that could register the container.
            *("--register=no", "--keep-unit", "--settings=no"),
            *(f"--machine=cipu-el-{os.getpid()}", f"--directory={self.root}"),
        ]
        log = (self.folder / "console").open("wb")
        self.container = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_PATH
        )
        (self.folder / "ssh").symlink_to(HERE / "files/ssh")
        try:
            until(self.has_booted, _BOOT_S, "The container has booted", pace=1)
        except LabError as error:
            console = (self.folder / "console").read_text(errors="replace")[-4000:]
            raise RuntimeError(f"The container did not boot: {error}\n{console}") from error
        shown = self.shell("mount --bind /pci /sys/bus/pci/devices")
        if shown.returncode:
            raise RuntimeError(f"The CIPU function is not shown: {shown.stderr}")

    def has_booted(self) -> bool:
        assert self.container is not None
        if self.container.poll() is not None:
            raise LabError(f"systemd-nspawn ended with status {self.container.returncode}.")
        state = self.shell("systemctl is-system-running") if self.find_leader() else None
        return state is not None and state.stdout.strip() in ("running", "degraded")

    def find_leader(self) -> bool:
        assert self.container is not None
        children = Path(f"/proc/{self.container.pid}/task/{self.container.pid}/children")
        pids = children.read_text().split()
        if pids:
            (self.folder / "leader").write_text(pids[-1])
        return bool(pids)

    def close(self) -> None:
        if self.container is not None and self.container.poll() is None:
            self.container.terminate()
            try:
                self.container.wait(60)
            except subprocess.TimeoutExpired:
                self.container.kill()
                self.container.wait()
        if self.root.is_mount():
            subprocess.run(["umount", "--lazy", str(self.root)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Use.

    def shell(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.folder / "ssh"), command],
            capture_output=True, text=True, check=False, timeout=_SECONDS,
        )  # fmt: skip

    def play(self, tasks: list[dict[str, Any]], *arguments: str, **variables: Any) -> "Played":
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        (self.folder / "play.json").write_text(json.dumps([play]))
        known = {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(self.folder / "ssh"),
            "ansible_ssh_transfer_method": "piped",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        inventory = {"all": {"hosts": {"el": known}}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        command = ["ansible-playbook", "--inventory", str(self.folder / "inventory.json")]
        command += [*arguments, "--extra-vars", json.dumps(variables)]
        done = subprocess.run(
            [*command, str(self.folder / "play.json")],
            capture_output=True, text=True, check=False, timeout=_SECONDS,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1"},
        )  # fmt: skip
        return Played(done.returncode, done.stdout + done.stderr)

    def role(self, name: str, *arguments: str, **variables: Any) -> "Played":
        task = {"include_role": {"name": f"cipu.clock.{name}"}, "tags": ["always"]}
        return self.play([task], *arguments, **variables)


class Played:
    def __init__(self, rc: int, text: str) -> None:
        self.rc = rc
        self.text = text
        self.line = " ".join(text.split())
        self.changed = int(text.rpartition("changed=")[2].split()[0]) if "changed=" in text else -1
