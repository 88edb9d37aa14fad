# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host's loopback address that are forwarded to the guests' sshd."""

import contextlib
import socket

from .errors import LabError

ADDRESS = "127.0.0.1"


def free(count: int) -> list[int]:
    """This many different free ports."""
    with contextlib.ExitStack() as stack:
        ports = []
        # All bound at the same time, or the kernel could return one of them twice.
        for _ in range(count):
            holder = stack.enter_context(socket.socket())
            holder.bind((ADDRESS, 0))
            ports.append(int(holder.getsockname()[1]))
    return ports


def from_base(base: int, count: int) -> list[int]:
    """The ports from `base` on, if all of them are free."""
    ports = list(range(base, base + count))
    if base < 1024 or ports[-1] > 65535:
        raise LabError(f"Ports {base} to {ports[-1]} are not all between 1024 and 65535.")
    for port in ports:
        with socket.socket() as holder:
            # As QEMU binds: a connection in TIME_WAIT does not block the port.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind((ADDRESS, port))
            except OSError as error:
                raise LabError(
                    f"Port {port} is in use.",
                    "Set another one with --ssh-port, or leave it out to use free ports.",
                ) from error
    return ports
