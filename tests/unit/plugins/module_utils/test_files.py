# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes of whole files, and the state of a file after a write that failed midway."""

import contextlib
import os
import resource

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host.files import (
    Unwritable,
    difference,
    read,
    replace,
    write,
)


class Module:
    @staticmethod
    def atomic_move(source, destination):
        os.rename(source, destination)


@contextlib.contextmanager
def little_room():
    """Limit files to 4 KiB, so that a write fails as on a full disk.

    Not a fixture, since the limit would truncate pytest's own output if that is a file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_written_with_its_folder_and_bits(tmp_path):
    path = str(tmp_path / "new" / "a.conf")
    write(Module, path, b"x\n", 0o640)
    assert read(path) == b"x\n"
    assert os.stat(path).st_mode & 0o777 == 0o640


def test_a_write_on_a_full_disk_changes_nothing(tmp_path):
    path = str(tmp_path / "a.conf")
    write(Module, path, b"former\n", 0o644)
    with pytest.raises(Unwritable) as refusal, little_room():
        write(Module, path, b"x" * 8192, 0o644)
    assert str(refusal.value) == "cannot write {0}: File too large; it was not changed".format(path)
    assert read(path) == b"former\n"
    assert os.listdir(str(tmp_path)) == ["a.conf"]


def test_a_file_that_cannot_be_read_is_none(tmp_path):
    assert read(str(tmp_path)) is None
    assert read(str(tmp_path / "none")) is None


def test_a_difference_is_text_whatever_the_files_are():
    shown = difference("/a", None, b"\xff\n")
    assert shown["before"] == ""
    assert shown["after"] == "(2 bytes that are no text)\n"
    assert difference("/a", b"x\n", b"")["before"] == "x\n"


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / "report.json"
    replace(str(path), "first ±")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    replace(str(path), "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["report.json"]


def test_only_a_regular_file_is_replaced(tmp_path):
    path = tmp_path / "link"
    path.symlink_to("/etc/hostname")
    with pytest.raises(Unwritable, match="is a symbolic link, not a regular file"):
        replace(str(path), "text")
    with pytest.raises(
        Unwritable, match=r"cannot write .*: there is no folder .*/missing; create it"
    ):
        replace(str(tmp_path / "missing/report.json"), "text")


def test_a_text_that_is_no_unicode_leaves_the_file_unchanged(tmp_path):
    path = tmp_path / "report.json"
    replace(str(path), "first")
    with pytest.raises(ValueError, match="surrogates"):
        replace(str(path), "\ud800")
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["report.json"]
