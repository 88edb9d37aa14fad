# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of archives made by `dkms mktarball`, read in full so that damage is detected."""

import hashlib
import os
import tarfile
import zlib

from ansible_collections.cipu.clock.plugins.module_utils._dkms.framework import assignments

MAIN = "dkms_main_tree"
CONFS = ("dkms_binaries_only/dkms.conf", "dkms_source_tree/dkms.conf")
BLOCK_BYTES = 1 << 20


class Damaged(Exception):
    """The archive cannot be used; the text says why."""


class Archive:
    """Name and version of an archive's module, and the checksums of its builds by kernel."""

    def __init__(self, path, arch):
        self.path = path
        self.package = None
        self.version = None
        self.builds = {}  # kernel -> {file name of a module: sha256}
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    self._take(archive, member, arch)
                # tarfile treats a damaged header as the end. The rest of the file has the checksum.
                while archive.fileobj.read(BLOCK_BYTES):
                    pass
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise Damaged(str(error) or type(error).__name__)

    def _take(self, archive, member, arch):
        parts = [part for part in member.name.split("/") if part not in {"", "."}]
        if ".." in parts or member.name.startswith("/"):
            raise Damaged("the path {0} is outside the archive".format(member.name))
        if member.isdir():
            return
        if not member.isfile():
            raise Damaged("{0} is not a regular file".format(member.name))
        stream = archive.extractfile(member)
        if "/".join(parts) in CONFS:
            conf = assignments(stream.read(BLOCK_BYTES).decode("utf-8", "replace"))
            self.package = conf.get("PACKAGE_NAME", self.package)
            self.version = conf.get("PACKAGE_VERSION", self.version)
            return
        digest = _digest(stream)
        is_module = len(parts) == 5 and parts[0] == MAIN and parts[3] == "module"
        if is_module and parts[2] == arch and ".ko" in parts[4]:
            self.builds.setdefault(parts[1], {})[parts[4]] = digest

    def is_of(self, name, version):
        return (self.package, self.version) == (name, version)


def _digest(stream):
    digest = hashlib.sha256()
    for block in iter(lambda: stream.read(BLOCK_BYTES), b""):
        digest.update(block)
    return digest.hexdigest()


def file_sha256(path):
    with open(path, "rb") as stream:
        return _digest(stream)


def describe(path, kernel, arch):
    """The record of an archive for the return value."""
    return {
        "kernel": kernel,
        "arch": arch,
        "path": path,
        "sha256": file_sha256(path),
        "size_bytes": os.path.getsize(path),
    }
