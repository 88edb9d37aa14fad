# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a guest: its own key, its own known_hosts, nothing of the user's."""

import contextlib
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import host, ports
from .errors import LabError, TimeoutExpiredError

USER = "root"


@dataclass(frozen=True)
class Login:
    """How to reach one guest."""

    name: str
    port: int
    private_key: Path
    known_hosts: Path

    def options(self) -> list[str]:
        """What ssh and Ansible both are told, apart from port, user and key."""
        return [
            "-F/dev/null",
            f"-oUserKnownHostsFile={self.known_hosts}",
            "-oGlobalKnownHostsFile=/dev/null",
            "-oStrictHostKeyChecking=yes",
            "-oIdentitiesOnly=yes",
            "-oIdentityAgent=none",
            "-oUpdateHostKeys=no",
            # The first answer of a busy emulated guest takes its time.
            "-oConnectTimeout=60",
            "-oServerAliveInterval=15",
            "-oServerAliveCountMax=8",
            "-oLogLevel=ERROR",
        ]

    def command(self, remote: Sequence[str] = ()) -> list[str]:
        """The ssh command line, for a person or a program."""
        return [
            *(host.program("ssh"), *self.options(), "-oBatchMode=yes", "-p", str(self.port)),
            *("-i", str(self.private_key), f"{USER}@{ports.ADDRESS}", *remote),
        ]

    def run(
        self,
        *remote: str,
        seconds: float = 120,
        check: bool = True,
        stdin: str | bytes | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a shell command in the guest. With `check`, failure is an error with its output."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(
                self.command(remote),
                input=b"" if data is None else data,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutExpiredError(
                f"{self.name}: {' '.join(remote)!r} did not end within {seconds:.0f} s."
            ) from error
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            raise LabError(
                f"{self.name}: {' '.join(remote)!r} ended with status {done.returncode}.",
                (out + err).strip(),
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def fetch(self, remote: str, local: Path, seconds: float = 120) -> None:
        """Copy a file out of the guest."""
        new = local.with_name(f"{local.name}.new")
        with new.open("wb") as sink:
            done = subprocess.run(
                self.command(["cat", remote]),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        if done.returncode:
            new.unlink()
            raise LabError(f"{self.name}: {remote} cannot be read.", done.stderr.decode().strip())
        new.rename(local)

    def greets(self, seconds: float = 3) -> bool:
        """Whether a sshd answers: QEMU takes the connection long before."""
        with contextlib.suppress(OSError), socket.socket() as line:
            line.settimeout(seconds)
            line.connect((ports.ADDRESS, self.port))
            return line.recv(4) == b"SSH-"
        return False
