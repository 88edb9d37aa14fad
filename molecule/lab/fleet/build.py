# SPDX-License-Identifier: GPL-3.0-or-later
"""Making things that take minutes: once, whole or not at all, and never longer than stated."""

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

# mmdebstrap starts helpers by the hundred; wrappers that a user's PATH may put before the
# system's own programs would cost more than the work.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file, which goes with its holder; call `waiting` if another process has it."""
    with path.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_once(target: Path, what: str, build: Callable[[Path], None], say: Say) -> Path:
    """Return `target`, having `build` fill it in a folder beside it first if it is not there.

    The folder takes its name only when it is complete, so that a broken build leaves nothing that
    looks finished. Two processes that want the same thing make it once.
    """
    if target.is_dir():
        return target
    parent = make_folder(target.parent)
    prefix = f".unfinished-{target.name}-"
    with locked(
        parent / f".{target.name}.lock",
        lambda: say(f"{what}: another process is making it, waiting"),
    ):
        if target.is_dir():
            return target
        for left in parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Without root, what unpacks the packages is another user in its own namespace.
        folder.chmod(0o755)
        started = time.monotonic()
        say(f"{what}: making it (once; it is kept in {parent})")
        try:
            build(folder)
            folder.rename(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        say(f"{what}: done in {time.monotonic() - started:.0f} s")
    return target


def with_private_mounts(command: list[str]) -> list[str]:
    """The command so that nobody else sees what it mounts, and all of that goes when it ends.

    A process outside that walks through a mounted /proc keeps it busy, and what is left mounted
    would be in the way of removing the folder. Without root mmdebstrap does this by itself.
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
    """Run a long command with its output in `log`; the last of it is in the error."""
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
                # mmdebstrap marks its own steps so; all else is for the log.
                if line.startswith(b"I: ") and not line.startswith(b"I: running --"):
                    say(f"  {line[3:].decode(errors='replace')}")
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TimeoutExpiredError("too slow") from error


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a command and all it started; it gets a while to unmount and to clean up."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
    # What it left behind, itself perhaps included.
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
