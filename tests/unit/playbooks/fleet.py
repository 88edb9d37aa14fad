# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts for the real playbooks: each has a root, a /sys and a /run of its own.

Playbooks, the roles driver and probe, and most plugins are those of this checkout. Everything that
needs a kernel or systemd is simulated: the modules dkms, kernel_module and clock_facts and the role
chrony. Molecule runs the real ones in VMs.
"""

import copy
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..plugins import made

ROOT = Path(__file__).resolve().parents[3]
SIM = Path(__file__).with_name("sim")
KERNEL = "6.1.0-40-amd64"
COPIED = ("playbooks", "roles", "plugins", "driver", "meta", "galaxy.yml")
NATIVE_MAKEFILE = """static: build/static/clockprobe
static-arm64: build/static-arm64/clockprobe
build/static/clockprobe: src/main.c
\tmkdir -p $(@D) && cp $< $@ && chmod 755 $@
build/static-arm64/clockprobe: src/main.c
\t@test ! -e src/no_cross || { cat src/no_cross >&2; exit 1; }
\tmkdir -p $(@D) && { cat $< && echo for arm64; } >$@ && chmod 755 $@
"""
# Of a host's Python.
ARCHITECTURE = """import os
known = os.uname()
os.uname = lambda: type(known)((*known[:4], "{}"))
"""


class Host:
    def __init__(self, folder, name):
        self.name = name
        self.root = folder / name
        for part in (
            "upper",
            "work",
            "merged",
            "run",
            "sys/bus/pci/devices",
            "sys/class/ptp",
            "sys/module",
        ):
            (self.root / part).mkdir(parents=True)
        (self.root / "ssh").symlink_to(SIM / "ssh")
        self.variables = {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(self.root / "ssh"),
            "ansible_ssh_transfer_method": "piped",
        }
        self.write("/simulated/healthy.json", json.dumps(healthy()))
        self.write(
            "/simulated/state.json", '{"dkms": {}, "loaded": null, "selected": "", "params": {}}'
        )
        self.write("/etc/os-release", 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n')
        self.write("/usr/local/sbin/udevadm", "#!/bin/sh\nexit 0\n")
        self.path("/usr/local/sbin/udevadm").chmod(0o755)
        self.hide("/.dockerenv")

    def copy(self, other):
        """The files of another host, with whiteouts and without its log."""
        shutil.rmtree(self.root / "upper")
        command = ["cp", "-a", str(other.root / "upper"), str(self.root)]
        subprocess.run(command, check=True)
        (self.root / "upper/simulated/log").unlink()

    def path(self, path):
        layer = "" if path.startswith("/run/") else "upper"
        return self.root / layer / path.lstrip("/")

    def write(self, path, content):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(content)

    def hide(self, path):
        """Hide a file of this machine on the host, by a whiteout of the overlay."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        if not self.path(path).exists():
            os.mknod(self.path(path), 0o020000, 0)

    def show(self, path):
        """Show the file of this machine on the host again."""
        self.path(path).unlink()

    def function(self, address="0000:00:10.0"):
        folder = self.root / "sys/bus/pci/devices" / address
        folder.mkdir()
        (folder / "uevent").write_text("DRIVER=ptp_cipu\nPCI_ID=1DED:500C\n")
        return self

    def pauses(self, module):
        """Let a simulated module wait; returns the file that it waits for."""
        # In /dev/shm, which hosts have in common with this machine.
        gate = self.root / "continue"
        self.write("/simulated/pause.json", json.dumps({module: str(gate)}))
        return gate

    def architecture(self, machine):
        """Let the host's Python report another architecture."""
        self.write("/simulated/python/sitecustomize.py", ARCHITECTURE.format(machine))

    def fails(self, **modules):
        self.write("/simulated/fail.json", json.dumps(modules))

    def run(self, command):
        """The output of a shell command on the host, whatever its exit status."""
        words = [str(SIM / "enter"), str(self.root), command]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def state(self):
        return json.loads(self.path("/simulated/state.json").read_text())

    def log(self):
        path = self.path("/simulated/log")
        return path.read_text().splitlines() if path.exists() else []

    def files(self):
        """Every file of the host's own layer, with content, apart from caches of Python."""
        found = {}
        for path in sorted((self.root / "upper").rglob("*")):
            name = str(path.relative_to(self.root / "upper"))
            if (
                path.is_file()
                and "__pycache__" not in name
                and not name.startswith(("simulated/log", "root/"))
            ):
                found[name] = path.read_bytes()
        return found


def healthy():
    facts = copy.deepcopy(made.facts())
    facts["kernel"].update(running=KERNEL, next=KERNEL)
    kernel = {"release": KERNEL, "has_headers": True, "has_module": True}
    facts["kernel"]["bootable"] = [dict(kernel, headers_package=f"linux-headers-{KERNEL}")]
    facts["kernel"]["headers_meta"] = "linux-headers-amd64"
    return facts


def core216():
    """The Python of ansible-core 2.16, which tests/unit/targets installs; None before it ran."""
    cache = Path(os.environ.get("CIPU_CACHE", ROOT / ".cache"))
    python = cache / "venv-core216/bin/python"
    return str(python) if python.exists() else None


class Result:
    def __init__(self, done, seconds, cpu_s):
        self.rc = done.returncode
        self.text = done.stdout + done.stderr
        self.line = re.sub(r"\s+", " ", self.text)
        self.seconds = seconds
        self.cpu_s = cpu_s
        recap = re.findall(r"^(\S+)\s+: (ok=.*)$", self.text, re.MULTILINE)
        self.recap = {
            name: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)}
            for name, counts in recap
        }


class Fleet:
    def __init__(self, folder, python=sys.executable):
        self.folder = Path(folder)
        self.python = python
        self.hosts = {}
        self.collection = self.folder / "collections/ansible_collections/cipu/clock"
        self.environment = {}
        self.group_variables = {}
        self.build_collection()

    def build_collection(self):
        for name in COPIED:
            source = ROOT / name
            copy_of = shutil.copytree if source.is_dir() else shutil.copy
            self.collection.mkdir(parents=True, exist_ok=True)
            copy_of(source, self.collection / name)
        modules = self.collection / "plugins/modules"
        for name in ("dkms", "kernel_module", "clock_facts"):
            shutil.copy(SIM / f"modules/{name}.py", modules)
        shutil.copy(SIM / "modules/simulated.py", self.collection / "plugins/module_utils")
        shutil.rmtree(self.collection / "roles/chrony")
        shutil.copytree(SIM / "chrony", self.collection / "roles/chrony")
        source = self.collection / "native/src"
        source.mkdir(parents=True)
        (self.collection / "native/Makefile").write_text(NATIVE_MAKEFILE)
        (source / "main.c").write_text("clockprobe, first source\n")

    def add(self, name, clock=True):
        host = self.hosts[name] = Host(self.folder / "hosts", name)
        return host.function() if clock else host

    def inventory(self):
        path = self.folder / "inventory.json"
        hosts = {name: host.variables for name, host in self.hosts.items()}
        path.write_text(json.dumps({"all": {"hosts": hosts, "vars": self.group_variables}}))
        return path

    def play(self, playbook, *arguments, inventory=None, **variables):
        return self.run(self.command(playbook, *arguments, inventory=inventory, **variables))

    def command(self, playbook, *arguments, inventory=None, **variables):
        return [
            *(self.python, "-m", "ansible", "playbook", "--inventory"),
            *(str(inventory or self.inventory()), f"cipu.clock.{playbook}"),
            *("--extra-vars", json.dumps(variables)),
            *arguments,
        ]

    def start(self, playbook, *arguments, **variables):
        """A run that continues while others are started, and the file of its output."""
        output = Path(tempfile.mkstemp(prefix="started-", dir=self.folder)[1])
        with output.open("wb") as sink:
            process = subprocess.Popen(
                self.command(playbook, *arguments, **variables),
                cwd=self.folder,
                env={**os.environ, **self.settings(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        return process, output

    def role(self, name, *arguments, **variables):
        play = {"hosts": "all", "gather_facts": False}
        play["tasks"] = [{"include_role": {"name": f"cipu.clock.{name}"}}]
        path = self.folder / "role.json"
        path.write_text(json.dumps([play]))
        extra = ("--extra-vars", json.dumps(variables))
        command = [self.python, "-m", "ansible", "playbook", "--inventory", self.inventory()]
        return self.run([*command, path, *extra, *arguments])

    def run(self, command):
        began_s, spent = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.settings(), **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
        return Result(done, time.monotonic() - began_s, cpu_s)

    def settings(self):
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_CONFIG": str(Path(__file__).with_name("ansible.cfg")),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "CIPU_CACHE": str(self.folder / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
