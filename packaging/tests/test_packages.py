# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages: clean, reproducible, with the expected files, installable, removable."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(path)
    for path in (PACKAGING, PACKAGING.parent / "molecule/lab", PACKAGING.parent / "driver/tests")
]

import build  # noqa: E402  (found by the line above)
import trees  # noqa: E402

_SECONDS = 300
# A build takes half a minute, and several times that on a busy machine.
pytestmark = pytest.mark.timeout(1200)
DRIVER_FILES = {path.name for path in (PACKAGING.parent / "driver").glob("*.[ch]")} | {
    "Kbuild",
    "dkms.conf",
}
PROBE = {"/usr/bin/clockprobe", "/usr/share/man/man1/clockprobe.1.gz"}
RULES = "/usr/lib/udev/rules.d/60-ptp_cipu.rules"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    packages: list[Path] = build.build(tmp_path_factory.mktemp("packages"))
    return packages


def one(made: list[Path], name: str, suffix: str) -> Path:
    (found,) = [path for path in made if path.suffix == suffix and path.name.startswith(name)]
    return found


def files_of(package: Path) -> set[str]:
    """Files of a package, without documentation that every package of its kind has."""
    if package.suffix == ".rpm":
        listed = run("rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\n]", str(package))
        lines = [line.split(" ", 1) for line in listed.splitlines()]
    else:
        listed = run("dpkg-deb", "-c", str(package))
        words = [line.split() for line in listed.splitlines()]
        lines = [[word[0], word[5].removeprefix(".")] for word in words]
    files = {path for mode, path in lines if mode[0] == "-"}
    return {path for path in files if not re.match("/usr/share/(doc|licenses)/", path)}


def test_two_builds_have_the_same_bytes(made: list[Path], tmp_path: Path) -> None:
    again = build.build(tmp_path / "another-and-longer-folder")
    assert [path.name for path in again] == [path.name for path in made]
    for first, second in zip(made, again, strict=True):
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
        assert digests[0] == digests[1], first.name


@pytest.mark.parametrize("suffix", [".deb", ".rpm"])
def test_clockprobe_contains_the_program_and_its_manual(made: list[Path], suffix: str) -> None:
    assert files_of(one(made, "clockprobe", suffix)) == PROBE


@pytest.mark.parametrize("suffix", [".deb", ".rpm"])
def test_the_driver_is_the_source_that_the_role_installs(made: list[Path], suffix: str) -> None:
    package = one(made, "ptp-cipu-dkms", suffix)
    version = next(p.version for p in build.packages() if p.name == "ptp-cipu-dkms")
    source = {f"/usr/src/ptp_cipu-{version}/{name}" for name in DRIVER_FILES}
    assert files_of(package) == source | {RULES}


def test_the_udev_rules_are_complete() -> None:
    rules = build.udev_rules()
    assert "{" not in re.sub(r"(ATTR|ENV)\{\w+\}", "", rules)
    assert 'GROUP="root", MODE="0660"' in rules
    assert 'SYMLINK+="ptp_cipu"' in rules


def test_lintian_is_clean(made: list[Path]) -> None:
    debs = [str(path) for path in made if path.suffix == ".deb"]
    command = ["lintian", "--allow-root", "--fail-on", "error,warning,info", *debs]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_rpmlint_is_clean(made: list[Path]) -> None:
    rpms = [str(path) for path in made if path.suffix == ".rpm"]
    output = run("rpmlint", "--config", str(PACKAGING / "rpm/rpmlint.toml"), *rpms)
    assert "0 errors, 0 warnings" in output, output


_LIFE = """
set -eu
dpkg --install {old} >/dev/null
clockprobe --version
dpkg --install {new} >/dev/null
clockprobe --version >/dev/null
dpkg-query --show --showformat "\\${{Version}}\\n" clockprobe
dpkg --purge clockprobe >/dev/null
! test -e /usr/bin/clockprobe
! test -e /usr/share/man/man1/clockprobe.1.gz
! dpkg-query --status clockprobe 2>/dev/null
echo removed
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts an overlay, which needs root")
def test_clockprobe_is_installed_upgraded_and_removed(made: list[Path], tmp_path: Path) -> None:
    old = one(made, "clockprobe", ".deb")
    probe = next(package for package in build.packages() if package.name == "clockprobe")
    newer = dataclasses.replace(probe, version=f"{probe.version}+upgrade")
    new = one(build.build(tmp_path / "new", [newer]), "clockprobe", ".deb")
    root = next(tree.root for tree in trees.ensure() if tree.wanted.suite == "bookworm")
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "upper/packages").mkdir()
    for package in (old, new):
        (tmp_path / "upper/packages" / package.name).write_bytes(package.read_bytes())
    life = tmp_path / "upper/packages/life"
    life.write_text(
        _LIFE.format(old=f"/packages/{old.name}", new=f"/packages/{new.name}"), encoding="ascii"
    )
    overlay = f"lowerdir={root},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    target = tmp_path / "root"
    output = run(
        "unshare", "--mount", "sh", "-c",
        f"mount -t overlay overlay -o {overlay} {target} && mount --rbind /dev {target}/dev && "
        f"exec chroot {target} env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /packages/life",
    )  # fmt: skip
    assert output.splitlines() == [f"clockprobe {probe.version}", newer.version, "removed"]
