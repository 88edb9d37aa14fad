# SPDX-License-Identifier: GPL-3.0-or-later
"""A real chronyd in a folder of its own, which does not touch the system clock.

Unit tests run without systemd, so this module replaces it: it starts and stops the real chronyd,
after the helper script of the unit's drop-in if there is one.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host import commands
from ansible_collections.cipu.clock.plugins.module_utils._host.commands import Outcome
from ansible_collections.cipu.clock.plugins.modules import chrony_refclock

CHRONYD = commands.which("chronyd")
needs_chronyd = pytest.mark.skipif(
    CHRONYD is None or os.geteuid() != 0,
    reason="needs chrony and root: chronyd answers chronyc's commands to root only",
)
SETTINGS = """bindcmdaddress {0}/chronyd.sock
cmdport 0
port 0
pidfile {0}/chronyd.pid
"""


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(main):
    """Start a chronyd that does not change the clock. Returns its exit status and output."""
    user = getpass.getuser()
    argv = [CHRONYD, "-x", "-U", "-u", user, "-f", str(main)]
    # Python 3.6 knows neither capture_output nor text.
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(argv, universal_newlines=True, check=False, timeout=30, **pipes)
    return done.returncode, done.stderr + done.stdout


def alive(pidfile):
    try:
        pid = int(pidfile.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    return pid


def end(pidfile):
    pid = alive(pidfile)
    if pid:
        os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + 10
    while alive(pidfile) and time.monotonic() < limit:
        time.sleep(0.02)


class NtpServer:
    """A chronyd that serves its own clock on a port of the loopback interface."""

    def __init__(self, folder):
        folder.mkdir(mode=0o700)
        self.port = free_port()
        self.pidfile = folder / "chronyd.pid"
        settings = SETTINGS.format(folder).replace("port 0\npid", f"port {self.port}\npid")
        settings += "bindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 3\n"
        (folder / "chrony.conf").write_text(settings)
        status, printed = start(folder / "chrony.conf")
        assert status == 0, printed


class PrivateChrony:
    """A host: folder, main file, chronyd, and the module's view of it."""

    check_mode = False

    def __init__(self, folder, rest="confdir {0}/conf.d\n", **params):
        self.folder = folder
        # chronyd makes its command socket in a private folder only.
        folder.chmod(0o700)
        self.main = folder / "chrony.conf"
        (folder / "conf.d").mkdir()
        self.main.write_text(SETTINGS.format(folder) + rest.format(folder))
        self.pidfile = folder / "chronyd.pid"
        self.dropin = folder / "conf.d" / "cipu.conf"
        self.journal = ""
        self.unit_file_state = "enabled"
        self.fails = set()
        self.calls = []
        self.programs = {}
        self.params = {
            "state": "present",
            "content": "maxclockerror 50\n",
            "refclocks": [],
            "former_servers": [],
            "path": str(self.dropin),
            "config": str(self.main),
            "add_confdir": False,
            "service": "chrony",
            "enable": False,
            "selects": "",
            "timeout_s": 20,
        }
        self.params.update(params)

    # The part of AnsibleModule.

    @staticmethod
    def atomic_move(source, destination):
        if os.path.exists(destination):
            shutil.copymode(destination, source)
        os.rename(source, destination)

    # Programs that the module runs.

    def which(self, name):
        return self.programs.get(name) or (None if name == "udevadm" else commands.which(name))

    def run(self, argv, timeout_s):
        name = os.path.basename(argv[0])
        if name in {"systemctl", "journalctl"}:
            return getattr(self, name)(argv[1:])
        if name == "chronyc":
            argv = [argv[0], "-h", str(self.folder / "chronyd.sock"), *argv[1:]]
        return commands.run(argv, timeout_s)

    def journalctl(self, _argv):
        return Outcome(0, self.journal)

    def systemctl(self, argv):
        self.calls.append(argv[0])
        if argv[0] in self.fails:
            return Outcome(1, "", f"{argv[0]} was refused")
        return getattr(self, argv[0].replace("-", "_"), lambda: Outcome(0))()

    def show(self):
        pid = alive(self.pidfile)
        state = "active" if pid else "failed"
        return Outcome(
            0,
            f"Id=chrony.service\nLoadState=loaded\nActiveState={state}\nSubState=running\n"
            f"UnitFileState={self.unit_file_state}\nMainPID={pid}\n",
        )

    def restart(self):
        self.stop()
        script = self.folder / "usr/local/lib/cipu-clock/chrony-refclock"
        if script.exists():
            subprocess.run(["/bin/sh", script, "prepare"], check=True)
        status, self.journal = start(self.main)
        return Outcome(status, "", self.journal)

    def stop(self):
        end(self.pidfile)
        return Outcome(0)

    def unmask(self):
        self.unit_file_state = "disabled"
        return Outcome(0)

    def enable(self):
        self.unit_file_state = "enabled"
        return Outcome(0)

    # The module.

    def work(self, **params):
        self.params.update(params)
        return chrony_refclock.Refclock(self, self.run, self.which, str(self.folder))

    def present(self, **params):
        work = self.work(state="present", **params)
        work.present()
        return work

    def absent(self):
        work = self.work(state="absent")
        work.absent()
        return work

    def restarts(self):
        return self.calls.count("restart")

    def files(self):
        """Every file below the folder, with its content, without those that chronyd makes."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix not in {".pid", ".sock"}
        }
