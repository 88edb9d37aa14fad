# SPDX-License-Identifier: GPL-3.0-or-later
"""Small .rpm packages with the names, files and scripts of EL's, from the files of Debian's.

Everything runs in the tree of the container, whose rpmbuild it uses.
"""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEBIAN = "6.1"


@dataclass
class Rpm:
    """One package. `release` is EL's, such as 503.14.1.el9_5."""

    name: str
    version: str
    release: str
    root: Path
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(mode)

    def files(self) -> str:
        names = []
        for path in sorted(self.root.rglob("*")):
            name = f"/{path.relative_to(self.root)}"
            if path.is_symlink() or not path.is_dir():
                names.append(f'%config(noreplace) "{name}"' if name in self.config else f'"{name}"')
        return "\n".join(names)

    def spec(self, root: str) -> str:
        lines = [
            *("%global debug_package %{nil}", "%global __os_install_post %{nil}"),
            *("%global _build_id_links none", "%global _binary_payload w1.gzdio"),
            *(f"Name: {self.name}", f"Version: {self.version}", f"Release: {self.release}"),
            *("Summary: x", "License: GPL-3.0-or-later", "AutoReqProv: no"),
            *(f"Requires: {name}" for name in self.requires),
            *(f"Provides: {name}" for name in self.provides),
            *("%description", "x", "%install", f"cp -a {root}/. %{{buildroot}}"),
        ]
        for script, content in self.scripts.items():
            lines += [f"%{script}", content]
        return "\n".join([*lines, "%files", self.files(), ""])


def chrony(tree: Path, work: Path) -> Rpm:
    """Debian's chronyd with the paths and the user of EL's."""
    rpm = Rpm("chrony", "4.3", "1.el9", work / "chrony")
    daemon = (tree / "usr/sbin/chronyd").read_bytes()
    for debian, el in ((b"/etc/chrony/chrony.conf", b"/etc/chrony.conf"), (b"_chrony", b"chrony")):
        pattern = b"(?<=\0)" + re.escape(debian) + b"\0"
        daemon, count = re.subn(pattern, el.ljust(len(debian), b"\0") + b"\0", daemon)
        if count != 1:
            raise RuntimeError(f"chronyd has {debian.decode()} {count} times")
    rpm.write("/usr/sbin/chronyd", daemon, 0o755)
    rpm.write("/usr/bin/chronyc", (tree / "usr/bin/chronyc").read_bytes(), 0o755)
    rpm.write("/etc/chrony.conf", (HERE / "files/chrony.conf").read_text())
    # Without control of the clock, which is this machine's.
    rpm.write("/etc/sysconfig/chronyd", 'OPTIONS="-x"\n')
    rpm.write("/etc/chrony.keys", "")
    unit = (HERE / "files/chronyd.service").read_text()
    rpm.write("/usr/lib/systemd/system/chronyd.service", unit)
    rpm.config = ("/etc/chrony.conf", "/etc/sysconfig/chronyd", "/etc/chrony.keys")
    rpm.scripts = {
        "pre": "getent group chrony >/dev/null || groupadd -r chrony\n"
        "getent passwd chrony >/dev/null || useradd -r -g chrony -d /var/lib/chrony "
        "-s /sbin/nologin chrony",
        "post": "mkdir -p /var/lib/chrony /var/log/chrony\n"
        "chown chrony:chrony /var/lib/chrony /var/log/chrony\n"
        "[ $1 != 1 ] || systemctl preset chronyd.service || :",
    }
    return rpm


def dkms(tree: Path, work: Path) -> Rpm:
    """Debian's DKMS under the name and with the requirements of EPEL's."""
    rpm = Rpm("dkms", "3.0.10", "1.el9", work / "dkms", ("gcc", "make", "kernel-devel"))
    for name in ("usr/sbin/dkms", "etc/dkms", "usr/lib/dkms", "etc/kernel"):
        source = tree / name
        target = rpm.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target)
    return rpm


def stub(name: str, work: Path) -> Rpm:
    """A package without files, for a program that the tree has already."""
    rpm = Rpm(name, "1", "1.el9", work / name)
    rpm.root.mkdir()
    return rpm


def base(work: Path) -> Rpm:
    """What every other package finds: a shell, and the release for dnf."""
    rpm = stub("rocky-release", work)
    rpm.provides = ("/bin/sh", "system-release = 9.5", "system-release(releasever) = 9")
    return rpm


def kernel(work: Path, release: str) -> Rpm:
    """kernel-core: image, folder of modules and BLS entry. The image does not boot."""
    version, _dash, rest = release.partition("-")
    rpm = Rpm("kernel-core", version, rest.removesuffix(".x86_64"), work / f"core-{release}")
    rpm.provides = ("installonlypkg(kernel)",)
    top = f"/lib/modules/{release}"
    rpm.root.mkdir(parents=True)
    rpm.write(f"/usr{top}/vmlinuz", "not an image")
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        rpm.write(f"/usr{top}/{name}", "")
    for name, target in (("build", f"/usr/src/kernels/{release}"), ("source", "build")):
        (rpm.root / f"usr{top}/{name}").symlink_to(target)
    entry = f"/boot/loader/entries/$(cat /etc/machine-id)-{release}.conf"
    rpm.scripts = {
        "posttrans": f"cp {top}/vmlinuz /boot/vmlinuz-{release}\nmkdir -p /boot/loader/entries\n"
        f"cat >{entry} <<EOF\ntitle Linux ({release})\nversion {release}\n"
        f"linux /vmlinuz-{release}\ninitrd /initramfs-{release}.img\ngrub_class rocky\nEOF\n"
        f"depmod {release}",
        "postun": f"rm -f {entry} /boot/vmlinuz-{release}",
    }
    return rpm


def kernel_devel(tree: Path, work: Path, release: str) -> Rpm:
    """kernel-devel: Debian's headers under EL's release. They include Debian's common part."""
    version, _dash, rest = release.partition("-")
    rpm = Rpm("kernel-devel", version, rest.removesuffix(".x86_64"), work / f"devel-{release}")
    rpm.provides = ("installonlypkg(kernel)",)
    (headers,) = (tree / "usr/src").glob(f"linux-headers-{DEBIAN}*-amd64")
    target = rpm.root / "usr/src/kernels" / release
    shutil.copytree(headers, target, symlinks=True)
    # Relative links name Debian's build tools from another folder.
    for link in [path for path in target.rglob("*") if path.is_symlink()]:
        place = Path("/usr/src") / headers.name / link.parent.relative_to(target) / link.readlink()
        link.unlink()
        link.symlink_to(os.path.normpath(place))
    (target / "include/config/kernel.release").write_text(f"{release}\n")
    utsrelease = f'#define UTS_RELEASE "{release}"\n'
    (target / "include/generated/utsrelease.h").write_text(utsrelease)
    return rpm


def build_script(packages: list[Rpm]) -> str:
    """Writes the specs; returns the shell command that builds them into /build/repository."""
    commands = ["mkdir -p /build/repository"]
    for number, rpm in enumerate(packages):
        spec = rpm.root.parent / f"{number}.spec"
        spec.write_text(rpm.spec(f"/build/{rpm.root.name}"))
        commands.append(
            "rpmbuild -bb --quiet --target x86_64 --define '_topdir /tmp/rpm' "
            "--define '_dbpath /tmp/rpmdb' --define '_rpmdir /build/repository' "
            f"/build/{number}.spec"
        )
    commands.append("createrepo_c --quiet --simple-md-filenames /build/repository")
    return " && ".join(commands)
