# SPDX-License-Identifier: GPL-2.0-or-later
"""The newest packaged kernel source: fetched once, unpacked in the cache, built in."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trees
from fleet import host, paths
from fleet.build import build_once, run_logged, tail
from fleet.errors import LabError
from fleet.progress import Say, say

Change = Callable[[str], str]

_SECONDS = 1500
_NEEDS_MIB = 2500
# Large and not needed to compile one driver.
_LEFT_OUT = (
    "arch/[!x]*/boot/*",
    "drivers/gpu/*.[ch]",
    "drivers/media/*.[ch]",
    "drivers/net/*.[ch]",
    "drivers/staging/*.[ch]",
    "fs/*.[ch]",
    "sound/*.[ch]",
    "tools/testing/*",
    "tools/perf/*",
)
_COMMON = ("64BIT", "POSIX_TIMERS", "PCI", "PCI_MSI", "MODULES", "NET", "SMP", "PTP_1588_CLOCK")
# Kind of build -> what it sets beyond the common options, and how the driver is built.
CONFIGS: dict[str, tuple[tuple[str, ...], str]] = {
    "module": (("SUSPEND", "SYSFS"), "m"),
    "built in, no PM_SLEEP": ((), "y"),
}


@dataclass(frozen=True)
class Tree:
    """An unpacked kernel source."""

    version: str
    root: Path


def ensure(say_line: Say = say) -> Tree:
    """The source of the newest kernel that the archive has headers for."""
    kernels = [(tree, release) for tree in trees.ensure(say_line) for release in tree.releases()]
    tree, release = max(kernels, key=lambda pair: trees.version_key(pair[1]))
    version = ".".join(release.split(".")[:2])
    key = hashlib.sha256("\n".join(_LEFT_OUT).encode()).hexdigest()[:8]
    target = paths.cache() / "kernels" / f"source-{version}-{key}"

    def unpack(folder: Path) -> None:
        _unpack(tree, version, folder, say_line)

    return Tree(version, build_once(target, f"Source of linux {version}", unpack, say_line))


def download(tree: trees.Tree, version: str, work: Path) -> Path:
    """Fetch the archive of a kernel's source package into `work`, with the tree's apt."""
    package = f"linux-source-{version}"
    script = (
        f"apt-get -qq -o APT::Sandbox::User=root download {package} && "
        f"dpkg-deb --fsys-tarfile {package}_*.deb "
        f"| tar -xO ./usr/src/{package}.tar.xz > s.tar.xz"
    )
    done = trees.run(tree, work, script, _SECONDS)
    if done.returncode:
        raise LabError(f"Cannot fetch {package}.", done.stderr[-2000:])
    return work / "s.tar.xz"


def _unpack(tree: trees.Tree, version: str, folder: Path, say_line: Say) -> None:
    host.require_space(folder, _NEEDS_MIB, "The kernel source")
    package = f"linux-source-{version}"
    with tempfile.TemporaryDirectory(prefix="source-") as name:
        archive = download(tree, version, Path(name))
        command = ["tar", "-xJf", str(archive), "-C", str(folder), "--strip-components=1"]
        # Anchored: include/ has folders of the same names.
        command += ["--anchored", *(f"--exclude={package}/{name}" for name in _LEFT_OUT)]
        run_logged(command, folder / "unpack.log", _SECONDS, say_line)


def build(tree: Tree, changed: Path, kind: str, symbol: str) -> list[str]:
    """Compile drivers/ptp of the tree with `changed` laid over it; returns every complaint."""
    host.require("make", "gcc", "flex", "bison", "bc")
    options, how = CONFIGS[kind]
    with tempfile.TemporaryDirectory(prefix="in-tree-") as name:
        output = Path(name)
        saved = output / "ptp"
        shutil.copytree(tree.root / "drivers/ptp", saved)
        try:
            shutil.copytree(changed / "drivers/ptp", tree.root / "drivers/ptp", dirs_exist_ok=True)
            return _make(tree, output / "build", options, f"CONFIG_{symbol}={how}")
        finally:
            shutil.rmtree(tree.root / "drivers/ptp")
            shutil.copytree(saved, tree.root / "drivers/ptp")


def _make(tree: Tree, output: Path, options: tuple[str, ...], ours: str) -> list[str]:
    output.mkdir()
    make = ["nice", "make", "-s", "-C", str(tree.root), f"O={output}"]
    run_logged([*make, "tinyconfig"], output / "config.log", _SECONDS, say)
    config = output / ".config"
    with config.open("a", encoding="ascii") as lines:
        lines.write("".join(f"CONFIG_{name}=y\n" for name in (*_COMMON, *options)) + f"{ours}\n")
    run_logged([*make, "olddefconfig"], output / "config.log", _SECONDS, say)
    if ours not in config.read_text(encoding="ascii").splitlines():
        return [f"the configuration does not accept {ours}"]
    log = output / "build.log"
    try:
        run_logged([*make, "-j2", "W=1", "drivers/ptp/cipu/"], log, _SECONDS, say)
    except LabError as error:
        return [f"{error}\n{tail(log)}"]
    if not list((output / "drivers/ptp/cipu").glob("cipu_main.o")):
        return ["the driver was not compiled"]
    return [
        line for line in log.read_text(errors="replace").splitlines() if "drivers/ptp/cipu" in line
    ]
