# SPDX-License-Identifier: GPL-2.0-or-later
"""Small Debian trees with a compiler, sparse and kernel headers: made once, kept in the cache."""

import hashlib
import re
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet import aptsource, host, paths
from fleet.build import build_once, run_logged
from fleet.progress import Say, say

_SECONDS = 1500
_NEEDS_MIB = 2500
_COMMON = ("gcc", "make", "sparse", "libelf1", "libc6-dev")
_DPKG = (
    'path-exclude="/usr/share/doc/*"',
    'path-exclude="/usr/share/man/*"',
    'path-exclude="/usr/share/locale/*"',
    "force-unsafe-io",
)
# Type information for BPF needs tools and a vmlinux, and checks nothing.
MAKE = "make CONFIG_DEBUG_INFO_BTF_MODULES="
_CHECKPATCH = "scripts/checkpatch.pl"


@dataclass(frozen=True)
class Wanted:
    """A release of Debian and which of its kernels to build against.

    `series` are patterns of kernel versions; the newest header package of each is taken.
    """

    suite: str
    series: tuple[str, ...]
    backports: bool = False
    # Taken while the archive has one: backports drops a series when the next one comes.
    passing: tuple[str, ...] = ()


WANTED = (
    Wanted("bullseye", (r"5\.10\.",)),
    Wanted("bookworm", (r"6\.1\.", r"6\.12\."), backports=True),
    Wanted("trixie", (r"6\.12\.", r"7\."), backports=True, passing=(r"6\.1[3-9]\.", r"7\.2\.")),
)


@dataclass(frozen=True)
class Tree:
    """An unpacked tree."""

    wanted: Wanted
    root: Path

    def releases(self) -> list[str]:
        """Kernels it has headers for, oldest first."""
        # A link, and one that leads nowhere from outside the tree.
        modules = (self.root / "lib/modules").iterdir()
        found = [path.name for path in modules if (path / "build").is_symlink()]
        return sorted(found, key=version_key)


def version_key(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def ensure(say_line: Say = say) -> list[Tree]:
    """All trees, the missing ones made first."""
    return [_ensure(wanted, say_line) for wanted in WANTED]


def _ensure(wanted: Wanted, say_line: Say) -> Tree:
    mirror = aptsource.find_mirror(aptsource.host_entries())
    parts = _mmdebstrap(wanted, mirror, "-")
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    target = paths.cache() / "kernels" / f"headers-{wanted.suite}-{key}"

    def build(folder: Path) -> None:
        _build(wanted, mirror, folder, say_line)

    what = f"Headers and compilers of {wanted.suite}"
    tree = Tree(wanted, build_once(target, what, build, say_line) / "root")
    _mend(tree.root)
    return tree


def _mend(root: Path) -> None:
    """Debian's 7.x headers lack the script that kbuild asks whether sparse is good enough."""
    for scripts in root.glob("usr/src/linux-headers-*-common/scripts"):
        script = scripts / "checker-valid.sh"
        if not script.exists():
            script.write_text("#!/bin/sh\necho 1\n", encoding="ascii")
            script.chmod(0o755)


def _build(wanted: Wanted, mirror: aptsource.Mirror, folder: Path, say_line: Say) -> None:
    host.require("mmdebstrap", *([] if host.is_root() else ["newuidmap"]))
    host.require_space(folder, _NEEDS_MIB, "A tree of kernel headers")
    archive = folder / "root.tar"
    command = [host.program("mmdebstrap"), *_mmdebstrap(wanted, mirror, str(archive))]
    run_logged(command, folder / "build.log", _SECONDS, say_line)
    root = folder / "root"
    root.mkdir()
    # Device nodes need root; /dev comes from the host.
    unpack = ["tar", "-xf", str(archive), "-C", str(root), "--no-same-owner", "--exclude=./dev/*"]
    run_logged(unpack, folder / "unpack.log", _SECONDS, say_line)
    archive.unlink()


def _mmdebstrap(wanted: Wanted, mirror: aptsource.Mirror, target: str) -> list[str]:
    options = ['APT::Install-Recommends "false"', 'Acquire::Languages "none"']
    return [
        "--variant=apt",
        "--format=tar",
        f"--include={','.join(_COMMON)}",
        *(f"--aptopt={option}" for option in [*options, *aptsource.carried_options()]),
        *(f"--dpkgopt={option}" for option in _DPKG),
        "--skip=cleanup/apt/lists",
        *(f"--customize-hook={_headers(series, 'exit 1')}" for series in wanted.series),
        *(f"--customize-hook={_headers(series, 'exit 0')}" for series in wanted.passing),
        wanted.suite,
        target,
        *mirror.sources(wanted.suite, updates=False, backports=wanted.backports),
    ]


def _headers(series: str, otherwise: str) -> str:
    """Unpack the newest headers of a series: the archive knows its name, we do not.

    Unpacked and not installed: some header packages pull in a whole kernel. Through tar, since
    dpkg-deb puts a folder where a merged /usr has a symlink.
    """
    name = rf"^linux-headers-{series}[^ ]*[0-9]-amd64$|^linux-headers-{series}[^ ]*deb[0-9]*-amd64$"
    return (
        'set -eu; package=$(chroot "$1" apt-cache pkgnames linux-headers- '
        f"| grep -E '{name}' | sort -V | tail -1); "
        f'[ -n "$package" ] || {{ echo "I: no headers of {series}" >&2; {otherwise}; }}; '
        'parts=$(chroot "$1" apt-cache depends "$package" '
        "| sed -nE 's/.*Depends: (linux-(headers|kbuild|base)-[0-9].*)/\\1/p' | tr '\\n' ' '); "
        'chroot "$1" sh -c "cd /tmp && apt-get -qq download $package $parts '
        "&& for deb in *.deb; do dpkg-deb --fsys-tarfile \\$deb "
        '| tar -x -C / --keep-directory-symlink && rm \\$deb; done"'
    )


def run(
    tree: Tree, build: Path, command: str, seconds: float
) -> "subprocess.CompletedProcess[str]":
    """Run a command in the tree with `build` at /build; nothing is left mounted."""
    root = tree.root
    (root / "build").mkdir(exist_ok=True)
    script = (
        f"mount --rbind /dev {root}/dev && mount --rbind /proc {root}/proc && "
        f"mount --bind {build} {root}/build && "
        f"touch {root}/etc/resolv.conf && mount --bind /etc/resolv.conf {root}/etc/resolv.conf && "
        f"exec chroot {root} sh -c 'cd /build && {command}'"
    )
    user = [] if host.is_root() else ["--map-root-user"]
    return subprocess.run(
        ["unshare", "--mount", *user, "sh", "-c", script],
        capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TMPDIR": "/tmp"},
    )  # fmt: skip


def newest_checkpatch() -> Path:
    """checkpatch.pl and what it reads, out of the newest linux-source package on this machine."""
    sources = sorted(
        Path("/usr/src").glob("linux-source-*.tar.xz"), key=lambda p: version_key(p.name)
    )
    if not sources:
        host.require("linux-source-6.1")
    source = sources[-1]
    target = paths.cache() / "kernels" / f"checkpatch-{source.name.removesuffix('.tar.xz')}"
    return build_once(target, "checkpatch.pl", _extract(source), say) / _CHECKPATCH


def _extract(source: Path) -> Callable[[Path], None]:
    names = (_CHECKPATCH, "scripts/spelling.txt", "scripts/const_structs.checkpatch")

    def build(folder: Path) -> None:
        with tarfile.open(source) as archive:
            wanted = set(names)
            for member in archive:
                name = member.name.split("/", 1)[-1]
                if name in wanted:
                    member.name = name
                    archive.extract(member, folder, filter="data")
                    wanted.remove(name)
                if not wanted:
                    break

    return build
