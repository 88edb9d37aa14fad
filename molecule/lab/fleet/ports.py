# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host's loopback address, by which a guest's sshd is reached."""

import contextlib
import socket

from .errors import LabError

ADDRESS = "127.0.0.1"


def free(count: int) -> list[int]:
    """That many ports that nobody uses, all different."""
    with contextlib.ExitStack() as stack:
        ports = []
        # All held at once, or the kernel could hand out one of them twice.
        for _ in range(count):
            holder = stack.enter_context(socket.socket())
            holder.bind((ADDRESS, 0))
            ports.append(int(holder.getsockname()[1]))
    return ports


def from_base(base: int, count: int) -> list[int]:
    """The ports from `base` on, which somebody asked for, if all of them are free."""
    ports = list(range(base, base + count))
    if base < 1024 or ports[-1] > 65535:
        raise LabError(f"Ports {base} to {ports[-1]} are not all between 1024 and 65535.")
    for port in ports:
        with socket.socket() as holder:
            # As QEMU binds: a connection in its last wait is no obstacle.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind((ADDRESS, port))
            except OSError as error:
                raise LabError(
                    f"Port {port} is in use.",
                    "Name another with --ssh-port, or leave it out: the lab then finds free ones.",
                ) from error
    return ports
