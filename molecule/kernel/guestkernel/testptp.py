# SPDX-License-Identifier: GPL-3.0-or-later
"""testptp of the kernel's selftests: an independent conformance test of a PTP clock."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fleet import paths
from fleet.build import build_once
from fleet.errors import LabError
from fleet.progress import Say, say

from . import packaged
from .packaged import trees

sys.path.append(str(paths.ROOT / "driver/upstream"))

import kernel_source

_SOURCE = "tools/testing/selftests/ptp/testptp.c"
_HEADER = "include/uapi/linux/ptp_clock.h"
_SECONDS = 900


def ensure(series: str = "7", say_line: Say = say) -> Path:
    """Return the static program, from linux-source of the newest kernel of this series."""
    tree, release = packaged.find(series, say_line)
    version = ".".join(release.split(".")[:2])
    target = paths.cache() / "kernels" / f"testptp-{version}"
    return build_once(target, "testptp", lambda to: _build(tree, version, to), say_line) / "testptp"


def _build(tree: trees.Tree, version: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="testptp-") as name:
        work = Path(name)
        package = f"linux-source-{version}"
        archive = kernel_source.download(tree, version, work)
        members = [f"{package}/{path}" for path in (_SOURCE, _HEADER)]
        unpack = [
            "tar",
            "--occurrence=1",
            "-xJf",
            str(archive),
            "-C",
            str(work),
            *members,
        ]
        subprocess.run(unpack, check=True, timeout=_SECONDS)
        include = work / "include/linux"
        include.mkdir(parents=True)
        shutil.copy(work / package / _HEADER, include)
        program = folder / "testptp"
        compile_it = ["gcc", "-O2", "-static", f"-I{work / 'include'}", "-o", str(program)]
        compile_it += [str(work / package / _SOURCE), "-lrt"]
        compiled = subprocess.run(
            compile_it, capture_output=True, text=True, check=False, timeout=120
        )
        if compiled.returncode:
            raise LabError("testptp does not compile.", compiled.stderr[-2000:])
