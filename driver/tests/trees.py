# SPDX-License-Identifier: GPL-2.0-or-later
"""Small Debian trees with compilers, sparse and kernel headers: built once, kept in the cache."""

import hashlib
import re
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet import aptsource, host, paths
from fleet.build import build_once, run_logged
from fleet.progress import Say, say

_SECONDS = 1500
_NEEDS_MIB = 2500
_COMMON = ("gcc", "make", "sparse", "libelf1", "libc6-dev")
# A cross compiler and the C library for static programs of the guest.
_CROSS = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
# Signing and compressing modules, and reading them again.
_MODULE_TOOLS = ("kmod", "openssl", "xz-utils", "zstd")
_DPKG = (
    'path-exclude="/usr/share/doc/*"',
    'path-exclude="/usr/share/man/*"',
    'path-exclude="/usr/share/locale/*"',
    "force-unsafe-io",
)
# Type information for BPF needs tools and a vmlinux, and checks nothing.
MAKE = "make CONFIG_DEBUG_INFO_BTF_MODULES="
CROSS = "aarch64-linux-gnu-"
_CHECKPATCH = "scripts/checkpatch.pl"


@dataclass(frozen=True)
class Wanted:
    """A Debian release and the kernels to build against.

    `series` are patterns of kernel versions; the newest header package of each is taken, once per
    flavour. A flavour ends the name of the package.
    """

    suite: str
    series: tuple[str, ...]
    backports: bool = False
    # Taken while the archive has one: backports drops a series when the next one comes.
    passing: tuple[str, ...] = ()
    flavours: tuple[str, ...] = ("amd64", "cloud-arm64")
    # Debian packages to install in the tree beside the common ones.
    programs: tuple[str, ...] = _CROSS
    # Distinguishes trees of one release.
    purpose: str = ""


WANTED = (
    Wanted("bullseye", (r"5\.10\.",)),
    Wanted("bookworm", (r"6\.1\.", r"6\.12\."), backports=True),
    Wanted(
        "trixie",
        (r"6\.12\.", r"7\."),
        backports=True,
        passing=(r"6\.1[3-9]\.", r"7\.2\."),
        programs=(*_CROSS, *_MODULE_TOOLS),
    ),
)
# Trees for `make matrix-all` only: large, or slow to build.
MORE = (
    Wanted(
        "trixie",
        (r"6\.12\.",),
        backports=True,
        passing=(r"7\.",),
        flavours=("amd64", "cloud-arm64", "rt-amd64", "rt-arm64"),
        programs=(
            *_CROSS,
            *("clang", "lld", "llvm"),
            # Preparing linux-source for another configuration.
            *("bc", "bison", "flex", "libelf-dev", "libssl-dev", "python3-minimal", "xz-utils"),
        ),
        purpose="more",
    ),
)


@dataclass(frozen=True)
class Tree:
    """A tree in the cache."""

    wanted: Wanted
    root: Path

    def releases(self) -> list[str]:
        """Kernel releases with headers in the tree, oldest first."""
        # The link is absolute, so outside the tree its target does not exist.
        modules = (self.root / "lib/modules").iterdir()
        found = [path.name for path in modules if (path / "build").is_symlink()]
        # Of one version, this machine's architecture is first.
        return sorted(found, key=lambda release: (version_key(release), release))


def version_key(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def architecture(release: str) -> str:
    """Debian's name of the architecture that a kernel release ends in."""
    return release.rpartition("-")[2]


def make_words(release: str) -> str:
    """The make command for this kernel: its architecture and cross compiler where it needs one."""
    if architecture(release) == "arm64":
        return f"{MAKE} ARCH=arm64 CROSS_COMPILE={CROSS} CC={CROSS}gcc"
    return MAKE


def ensure(say_line: Say = say, all_of: tuple[Wanted, ...] = WANTED) -> list[Tree]:
    """Return the trees; missing ones are built first."""
    return [_ensure(wanted, say_line) for wanted in all_of]


def _ensure(wanted: Wanted, say_line: Say) -> Tree:
    mirror = aptsource.find_mirror(aptsource.host_entries())
    parts = _mmdebstrap(wanted, mirror, "-")
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    name = "-".join(part for part in (wanted.suite, wanted.purpose, key) if part)
    target = paths.cache() / "kernels" / f"headers-{name}"

    def build(folder: Path) -> None:
        _build(wanted, mirror, folder, say_line)

    what = f"Headers and compilers of {wanted.suite}"
    tree = Tree(wanted, build_once(target, what, build, say_line) / "root")
    _add_checker_script(tree.root)
    return tree


def _add_checker_script(root: Path) -> None:
    """Add the script with which kbuild checks the version of sparse; Debian's 7.x lacks it."""
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
        "--architectures=amd64,arm64",
        f"--include={','.join((*_COMMON, *wanted.programs))}",
        *(f"--aptopt={option}" for option in [*options, *aptsource.carried_options()]),
        *(f"--dpkgopt={option}" for option in _DPKG),
        "--skip=cleanup/apt/lists",
        *(f"--customize-hook={hook}" for hook in _hooks(wanted)),
        wanted.suite,
        target,
        *mirror.sources(wanted.suite, updates=False, backports=wanted.backports),
    ]


def _hooks(wanted: Wanted) -> list[str]:
    return [
        _headers(series, flavour, otherwise)
        for group, otherwise in ((wanted.series, "exit 1"), (wanted.passing, "exit 0"))
        for series in group
        for flavour in wanted.flavours
    ]


def _headers(series: str, flavour: str, otherwise: str) -> str:
    """Shell code that unpacks the newest header package of a series and flavour.

    The archive determines its name. The package is unpacked and not installed: some header
    packages depend on a whole kernel, and foreign ones on a foreign compiler. The build tools
    they need are always this machine's. Through tar, since dpkg-deb would replace the symlinks of
    a merged /usr by folders.
    """
    name = rf"^linux-headers-{series}[^ ]*[0-9]-{flavour}$"
    return (
        'set -eu; package=$(chroot "$1" apt-cache pkgnames linux-headers- '
        f"| grep -E '{name}' | sort -V | tail -1); "
        f'[ -n "$package" ] || {{ echo "I: no {flavour} headers of {series}" >&2; {otherwise}; }}; '
        f'package="$package:{architecture(flavour)}"; '
        'parts=$(chroot "$1" apt-cache depends "$package" '
        "| sed -nE 's/.*Depends: (linux-(headers|kbuild|base)-[0-9][^: ]*).*/\\1/p' "
        "| tr '\\n' ' '); "
        'chroot "$1" sh -c "cd /tmp && apt-get -qq download $package $parts '
        "&& for deb in *.deb; do dpkg-deb --fsys-tarfile \\$deb "
        '| tar -x -C / --keep-directory-symlink && rm \\$deb; done"'
    )


def run(
    tree: Tree,
    build: Path,
    command: str,
    seconds: float,
    binds: Mapping[Path, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command in the tree with `build` at /build; nothing stays mounted.

    `binds` are further folders and the paths in the tree that they cover.
    """
    root = tree.root
    (root / "build").mkdir(exist_ok=True)
    mounts = "".join(
        f"mount --bind {folder} {root}/{path} && " for folder, path in (binds or {}).items()
    )
    script = (
        f"mount --rbind /dev {root}/dev && mount --rbind /proc {root}/proc && "
        f"mount --bind {build} {root}/build && {mounts}"
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
    """Extract checkpatch.pl and its data from the newest linux-source package of this machine."""
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
