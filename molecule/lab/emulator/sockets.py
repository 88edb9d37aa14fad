# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening Unix sockets, with errors that say what to do."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

# sun_path has 108 bytes with the NUL.
MAX_PATH = 107


class SocketError(Exception):
    """Why a socket cannot be created, in one sentence."""


def listen(path: str, what: str) -> socket.socket:
    """Create a socket for this user alone. The socket of a dead server is replaced."""
    if not path:
        raise SocketError(f"the path of the {what} socket is empty")
    if len(os.fsencode(path)) > MAX_PATH:
        raise SocketError(
            f"the path of the {what} socket is too long ({len(os.fsencode(path))} bytes, "
            f"maximum {MAX_PATH}): {path}"
        )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    old_umask = os.umask(0o177)
    try:
        _remove_stale(path, what)
        sock.bind(path)
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise SocketError(_explain(path, what, error)) from error
    except SocketError:
        sock.close()
        raise
    finally:
        os.umask(old_umask)
    return sock


def _remove_stale(path: str, what: str) -> None:
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"cannot create the {what} socket: {path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except BlockingIOError:
            pass
    raise SocketError(f"the {what} socket {path} is in use by another process")


def _explain(path: str, what: str, error: OSError) -> str:
    folder = Path(path).parent
    if error.errno == errno.ENOENT and not folder.is_dir():
        return f"cannot create the {what} socket: the folder {folder} does not exist"
    if error.errno == errno.EADDRINUSE:
        return f"the {what} socket {path} is in use by another process"
    return f"cannot create the {what} socket {path}: {error.strerror}"


def remove(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()
