# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache for each test, and a lab with stand-ins for QEMU and the images."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fake_lab
import pytest
from fleet import accel, images, qemu

SSH = """#!/bin/sh
case "$*" in *--failed*) ;; *) echo running ;; esac
"""


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache with a short path, because it contains sockets."""
    folder = Path(tempfile.mkdtemp(prefix="lab-"))
    monkeypatch.setenv("CIPU_CACHE", str(folder))
    monkeypatch.delenv("CIPU_LAB_STATE", raising=False)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def stand_ins(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """QEMU, images and ssh are stand-ins; returns the folder of the lab."""
    monkeypatch.setattr(qemu, "find", fake_lab.fake_qemu)
    monkeypatch.setattr(images, "ensure", fake_lab.fake_images)
    monkeypatch.setattr(accel, "choose", fake_lab.fake_choice)
    programs = cache / "bin"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(SSH, encoding="ascii")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return cache / "lab" / "main"
