#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build clockprobe and ptp-cipu-dkms as .deb and .rpm packages.

The same source gives the same bytes: file times are SOURCE_DATE_EPOCH, or the time of the last
commit. Needs the Debian packages in packages.txt.
"""

import argparse
import dataclasses
import email.utils
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

PACKAGING = Path(__file__).resolve().parent
ROOT = PACKAGING.parent
_SECONDS = 600
_MAINTAINER = "The cipu.clock maintainers <maintainers@cipu.invalid>"
# Variables of the role's template. A host's own rule in /etc takes precedence.
_RULE_VALUES = {"cipu_driver_group": "root", "cipu_driver_device_mode_text": "0660"}


class BuildError(Exception):
    """A package cannot be built; the message names the step and its output."""


@dataclasses.dataclass(frozen=True)
class Package:
    """A package: its name, version, licence and how its source is collected."""

    name: str
    version: str
    licence: str
    collect: Callable[[Path], None]
    # Makes programs for one architecture.
    compiled: bool


def _field(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{path} contains no version.")
    return found[1]


def packages() -> list[Package]:
    driver = _field(ROOT / "driver/dkms.conf", r'^PACKAGE_VERSION="([^"]+)"$')
    probe = _field(ROOT / "native/src/version.h", r'^#define CLOCKPROBE_VERSION "([^"]+)"$')
    return [
        Package("clockprobe", probe, "GPL-3.0-or-later", _collect_clockprobe, compiled=True),
        Package("ptp-cipu-dkms", driver, "GPL-2.0-or-later", _collect_driver, compiled=False),
    ]


def _collect_clockprobe(folder: Path) -> None:
    shutil.copy(ROOT / "native/Makefile", folder)
    (folder / "src").mkdir()
    for path in sorted((ROOT / "native/src").glob("*.[ch]")):
        shutil.copy(path, folder / "src")


def _collect_driver(folder: Path) -> None:
    driver = ROOT / "driver"
    for path in [*sorted(driver.glob("*.[ch]")), driver / "Kbuild", driver / "dkms.conf"]:
        shutil.copy(path, folder)
    (folder / "60-ptp_cipu.rules").write_text(udev_rules(), encoding="utf-8")


def driver_as(version: str) -> Package:
    """This driver under another version, for tests of upgrades."""

    def collect(folder: Path) -> None:
        _collect_driver(folder)
        for name, pattern, line in (
            ("dkms.conf", r"^PACKAGE_VERSION=.*$", f'PACKAGE_VERSION="{version}"'),
            ("cipu_main.c", r"^MODULE_VERSION\(.*$", f'MODULE_VERSION("{version}");'),
        ):
            path = folder / name
            text, count = re.subn(pattern, line, path.read_text("utf-8"), flags=re.MULTILINE)
            if count != 1:
                raise BuildError(f"{name} of the driver contains no version.")
            path.write_text(text, encoding="utf-8")

    (driver,) = (package for package in packages() if package.name == "ptp-cipu-dkms")
    return dataclasses.replace(driver, version=version, collect=collect)


def udev_rules() -> str:
    """The udev rules of the role's template, with fixed values."""
    text = (ROOT / "roles/driver/templates/ptp_cipu.rules.j2").read_text(encoding="utf-8")
    text = re.sub(r"^\{#.*#\}\n(# Written by .*\n#\n)?", "", text)
    for name, value in _RULE_VALUES.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    left = re.search(r"\{[{%].*?[%}]\}", text)
    if left:
        raise BuildError(f"The template of the udev rules has {left[0]}: add it to _RULE_VALUES.")
    return text


def epoch() -> int:
    """The time of every file in the packages."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            "The time of the last commit is unknown. Set SOURCE_DATE_EPOCH (seconds)."
        ) from error
    return int(answer.stdout)


def _run(command: list[str], folder: Path, time_s: int) -> None:
    environ = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(folder),
        "SOURCE_DATE_EPOCH": str(time_s),
        "DEB_BUILD_OPTIONS": "noautodbgsym",
    }
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is not installed. Run: make debian-packages") from error
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")


def _stage(package: Package, work: Path) -> Path:
    source = work / f"{package.name}-{package.version}"
    source.mkdir(parents=True)
    package.collect(source)
    return source


def deb(package: Package, work: Path, time_s: int) -> list[Path]:
    source = _stage(package, work)
    shutil.copytree(PACKAGING / "debian" / package.name, source / "debian")
    (source / "debian/source").mkdir()
    (source / "debian/source/format").write_text("3.0 (native)\n", encoding="ascii")
    (source / "debian/changelog").write_text(
        f"{package.name} ({package.version}) unstable; urgency=medium\n\n"
        f"  * Release {package.version}.\n\n"
        f" -- {_MAINTAINER}  {email.utils.formatdate(time_s)}\n",
        encoding="utf-8",
    )
    _run(["dpkg-buildpackage", "--build=binary", "--unsigned-changes"], source, time_s)
    return sorted(work.glob("*.deb"))


def rpm(package: Package, work: Path, time_s: int, target: str) -> list[Path]:
    source = _stage(package, work)
    shutil.copy(ROOT / "LICENSES" / f"{package.licence}.txt", source / "COPYING")
    top = work / "rpmbuild"
    for name in ("SOURCES", "SPECS"):
        (top / name).mkdir(parents=True)
    _archive(source, top / "SOURCES" / f"{source.name}.tar.gz", time_s)
    spec = top / "SPECS" / f"{package.name}.spec"
    shutil.copy(PACKAGING / "rpm" / spec.name, spec)
    with spec.open("a", encoding="utf-8") as text:
        text.write(
            f"\n%changelog\n* {_changelog_day(time_s)} {_MAINTAINER} - {package.version}-1\n"
            f"- Release {package.version}.\n"
        )
    defines = {
        "_topdir": str(top),
        "_dbpath": str(work / "rpmdb"),
        "cipu_version": package.version,
        "_buildhost": "localhost",
        "packager": _MAINTAINER,
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "_build_id_links": "none",
    }
    if shutil.which("musl-gcc"):
        defines["cipu_static_cc"] = "musl-gcc"
    # Build dependencies are Debian's here, which rpm does not see.
    command = ["rpmbuild", "-bb", "--nodeps", "--target", target, str(spec)]
    for name, value in defines.items():
        command += ["--define", f"{name} {value}"]
    _run(command, work, time_s)
    return sorted((top / "RPMS").rglob("*.rpm"))


def _changelog_day(time_s: int) -> str:
    """The date as rpm writes it, in English whatever the locale: Wed Nov 25 2026."""
    weekday, day, month, year, *_ = email.utils.formatdate(time_s).replace(",", "").split()
    return f"{weekday} {month} {day} {year}"


def _archive(folder: Path, target: Path, time_s: int) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = time_s
        return member

    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, folder.name, filter=plain)


def build(target: Path, selected: Sequence[Package] | None = None) -> list[Path]:
    """Build all or the selected packages into `target` and return the files."""
    time_s = epoch()
    target.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory(prefix="cipu-packages-") as name:
        for package in selected or packages():
            work = Path(name) / package.name
            machine = os.uname().machine if package.compiled else "noarch"
            files = deb(package, work / "deb", time_s)
            files += rpm(package, work / "rpm", time_s, machine)
            for path in files:
                made.append(target / path.name)
                unfinished = target / f".{path.name}"
                shutil.copy(path, unfinished)
                unfinished.replace(made[-1])
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="folder for the packages")
    parser.add_argument(
        "--driver-version", help="build only the driver, under this version, to test an upgrade"
    )
    options = parser.parse_args()
    selected = [driver_as(options.driver_version)] if options.driver_version else None
    for path in build(options.target, selected):
        print(path)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BuildError as error:
        sys.exit(f"packages: {error}")
