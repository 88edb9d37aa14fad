# SPDX-License-Identifier: GPL-3.0-or-later
"""--state and --output: what they replace, and what they leave alone."""

import os
import resource
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from made_host import Host

OPTIONS = ("--state", "--output")


def irregular(kind: str, folder: Path) -> Path:
    path = folder / "target"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        # What /dev/null is, in a place where replacing it does no harm.
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    elif kind == "folder":
        path.mkdir()
    else:
        (folder / "real").write_text("real")
        path.symlink_to("real" if kind == "link" else "nowhere")
    return path


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "link", "dangling link"])
@pytest.mark.parametrize("option", OPTIONS)
def test_only_regular_files_are_replaced(host: Host, option: str, kind: str) -> None:
    host.cipu()
    folder = host.root / "files"
    folder.mkdir()
    path = irregular(kind, folder)
    before, listing = path.lstat(), sorted(p.name for p in folder.iterdir())
    outcome = host.probe("--json", option, str(path))
    assert f"to {path}: it is not a regular file" in outcome.err
    # A state that cannot be written does not make the measurement fail.
    assert outcome.status == (1 if option == "--output" else 0)
    after = path.lstat()
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
    assert sorted(p.name for p in folder.iterdir()) == listing
    if kind == "link":
        assert (folder / "real").read_text() == "real"


@pytest.mark.parametrize("option", OPTIONS)
def test_mode_and_owner_are_kept(host: Host, option: str) -> None:
    host.cipu()
    path = host.root / "file"
    path.write_text("former")
    os.chown(path, 1234, 4321)
    path.chmod(0o640)
    former = path.stat()
    assert host.probe("--json", option, str(path)).status == 0
    now = path.stat()
    assert stat.S_IMODE(now.st_mode) == 0o640
    assert (now.st_uid, now.st_gid) == (1234, 4321)
    assert now.st_ino != former.st_ino
    assert path.read_text() != "former"


@pytest.mark.parametrize("option", OPTIONS)
def test_a_new_file_is_readable_for_all(host: Host, option: str) -> None:
    host.cipu()
    path = host.root / "file"
    host.probe("--json", option, str(path), before=lambda: os.umask(0o077))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("option", OPTIONS)
def test_a_limit_of_the_file_size_leaves_nothing(host: Host, option: str) -> None:
    host.cipu()
    path = host.root / "file"
    path.write_text("former")
    outcome = host.probe(
        "--json",
        option,
        str(path),
        # The shipped program: the sanitizers write files of their own.
        program="variants/musl/clockprobe-sim",
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert f"to {path}: File too large" in outcome.err
    assert path.read_text() == "former"
    assert [p.name for p in host.root.glob("file*")] == ["file"]


def test_a_signal_leaves_no_temporary_file(host: Host) -> None:
    """Ended at many moments: what stands there is whole, and alone."""
    host.cipu()
    path = host.root / "out"
    command = host.command(
        "--json", "--output", str(path), "--samples", "8", program="variants/musl/clockprobe-sim"
    )
    for delay_ms in range(40):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
            time.sleep(delay_ms / 4000)
            running.send_signal(signal.SIGTERM)
        assert {p.name for p in host.root.glob("out*")} <= {"out"}
        assert not path.exists() or path.read_text().endswith("}\n")
