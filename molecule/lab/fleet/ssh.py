# SPDX-License-Identifier: GPL-3.0-or-later
"""Login to a guest, with the lab's own key and known_hosts and without the user's settings."""

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
    """Login to one guest."""

    name: str
    port: int
    private_key: Path
    known_hosts: Path

    def options(self) -> list[str]:
        """Options of ssh and Ansible, apart from port, user and key."""
        return [
            "-F/dev/null",
            f"-oUserKnownHostsFile={self.known_hosts}",
            "-oGlobalKnownHostsFile=/dev/null",
            "-oStrictHostKeyChecking=yes",
            "-oIdentitiesOnly=yes",
            "-oIdentityAgent=none",
            "-oUpdateHostKeys=no",
            # The first answer of a busy emulated guest may take long.
            "-oConnectTimeout=60",
            "-oServerAliveInterval=15",
            "-oServerAliveCountMax=8",
            "-oLogLevel=ERROR",
        ]

    def command(self, remote: Sequence[str] = ()) -> list[str]:
        """The ssh command line."""
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
        """Run a shell command in the guest. With `check`, a failure raises an error."""
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
                f"{self.name}: the command {' '.join(remote)!r} did not end in {seconds:.0f} s."
            ) from error
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            raise LabError(
                f"{self.name}: the command {' '.join(remote)!r} failed, status {done.returncode}.",
                (out + err).strip(),
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def fetch(self, remote: str, local: Path, seconds: float = 120) -> None:
        """Copy a file from the guest."""
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
            raise LabError(f"{self.name}: cannot read {remote}.", done.stderr.decode().strip())
        new.rename(local)

    def greets(self, seconds: float = 3) -> bool:
        """Whether sshd answers. QEMU accepts connections long before."""
        with contextlib.suppress(OSError), socket.socket() as line:
            line.settimeout(seconds)
            line.connect((ports.ADDRESS, self.port))
            return line.recv(4) == b"SSH-"
        return False
