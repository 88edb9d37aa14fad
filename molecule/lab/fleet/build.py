# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that take minutes: once, complete or not at all, in a bounded time."""

import contextlib
import fcntl
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import LabError, TimeoutExpiredError
from .host import make_folder
from .progress import Say

_TAIL_LINES = 15

# mmdebstrap starts hundreds of helpers. Wrappers in a user's PATH would cost more than the work.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Lock a file until the block or the process ends; call `waiting` if it is locked already."""
    with path.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_once(target: Path, what: str, build: Callable[[Path], None], say: Say) -> Path:
    """Return `target`. If it does not exist, `build` fills a folder next to it first.

    The folder is renamed to its target when it is complete, so that an interrupted build leaves
    nothing that looks finished. Two processes that need the same target build it once.
    """
    if target.is_dir():
        return target
    parent = make_folder(target.parent)
    prefix = f".unfinished-{target.name}-"
    with locked(
        parent / f".{target.name}.lock",
        lambda: say(f"{what}: waiting for another process that builds it"),
    ):
        if target.is_dir():
            return target
        for left in parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Without root, another user of a namespace unpacks the packages.
        folder.chmod(0o755)
        started = time.monotonic()
        say(f"{what}: building it (once; it is kept in {parent})")
        try:
            build(folder)
            folder.rename(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        say(f"{what}: done in {time.monotonic() - started:.0f} s")
    return target


def with_private_mounts(command: list[str]) -> list[str]:
    """The command in a mount namespace of its own, so that its mounts end with it.

    A process outside that walks through a mounted /proc keeps it busy, and a mount that is left
    prevents removing the folder. Without root mmdebstrap does this itself.
    """
    prefix = ["unshare", "--mount", "--"]
    if os.geteuid() != 0:
        return command
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return command if tried.returncode else [*prefix, *command]


def run_logged(
    command: list[str],
    log: Path,
    seconds: float,
    say: Say,
    environ: dict[str, str] | None = None,
) -> None:
    """Run a long command with its output in `log`; an error contains its last lines."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            with_private_mounts(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": SYSTEM_PATH, **(environ or {})},
            start_new_session=True,
        )
        try:
            _follow(process, sink.write, time.monotonic() + seconds, say)
        except TimeoutExpiredError as error:
            raise LabError(
                f"{Path(command[0]).name} did not finish within {seconds:.0f} s.", tail(log)
            ) from error
        finally:
            end_group(process)
    if process.returncode:
        raise LabError(
            f"{Path(command[0]).name} failed with status {process.returncode}.", tail(log)
        )


def _follow(
    process: "subprocess.Popen[bytes]", write: Callable[[bytes], object], until: float, say: Say
) -> None:
    assert process.stdout is not None
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutExpiredError("too slow")
            if not selector.select(left):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            write(data)
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                # Steps of mmdebstrap. Other lines are only logged.
                if line.startswith(b"I: ") and not line.startswith(b"I: running --"):
                    say(f"  {line[3:].decode(errors='replace')}")
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TimeoutExpiredError("too slow") from error


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a command and its children. It has some seconds to unmount and clean up."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
    # Children that are left, or the command itself.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log, however large it is."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - 64 * 1024))
            text = handle.read().decode(errors="replace")
    except OSError:
        return ""
    kept = [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    return "\n".join(kept[-lines:])
