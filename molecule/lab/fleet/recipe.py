# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a guest image. A change of anything here builds the images again."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from .platforms import platform_of

GUEST_FILES = Path(__file__).resolve().parent / "guest"
TRIM_LISTS = Path(__file__).resolve().parent / "trim_lists.py"
_TRIM_IN_GUEST = "var/tmp/trim_lists.py"


@dataclass(frozen=True)
class Recipe:
    """One kind of guest."""

    name: str
    suite: str
    title: str
    architecture: str = "amd64"


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("debian12", "bookworm", "Debian 12"),
        Recipe("debian13", "trixie", "Debian 13"),
        Recipe("debian13-arm64", "trixie", "Debian 13 arm64", "arm64"),
    )
}

# The cloud kernel is the one of Debian's images for virtual machines. It has fewer drivers, so it
# boots faster under emulation. Its headers have the same version, from the same run of apt.
PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "systemd-timesyncd",
    "openssh-server",
    "sudo",
    "python3",
    "python3-apt",
    "dkms",
    "gcc",
    "make",
    "linux-image-cloud-{architecture}",
    "linux-headers-cloud-{architecture}",
    "initramfs-tools",
    "zstd",
    "kmod",
    "pciutils",
    "iproute2",
    "procps",
    "ca-certificates",
)

# Not installed, but in the image's package cache, so that installing it needs no download.
FETCHED = ("chrony",)

# Packages that stay in the guests' package lists, in addition to installed ones and kernels: see
# trim_lists.py.
KNOWN = (
    *FETCHED,
    "bpftrace",
    "build-essential",
    "ethtool",
    "fakeroot",
    "linuxptp",
    "lsb-release",
    "mokutil",
    "ntpsec",
    "openntpd",
    "prometheus-node-exporter",
    "rsync",
    "strace",
    "stress-ng",
    "tree",
)

# No test in a lab needs these, and each of them costs seconds under emulation.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@{console}.service",
    "systemd-logind.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-pstore.service",
    "systemd-binfmt.service",
    "systemd-hibernate-clear.service",
    "systemd-tpm2-setup.service",
    "systemd-tpm2-setup-early.service",
    "systemd-remount-fs.service",
    "systemd-journal-flush.service",
    "systemd-journal-catalog-update.service",
    "systemd-random-seed.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-user-sessions.service",
    "kmod-static-nodes.service",
    "modprobe@.service",
    "dev-mqueue.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "rc-local.service",
    "sshd-unix-local.socket",
    "sshd-vsock.socket",
)

# These search for devices that no guest has, at boot and again at every daemon-reload.
GENERATORS = (
    "systemd-cryptsetup-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-ssh-generator",
    "systemd-tpm2-generator",
    "systemd-veritysetup-generator",
)

ENABLED = ("lab-network.service", "ssh.service", "systemd-timesyncd.service")

APT_OPTIONS = (
    'APT::Install-Recommends "false"',
    'Acquire::Languages "none"',
)

DPKG_OPTIONS = (
    "force-unsafe-io",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)

# Runs outside the guest's tree, which is "$1", after its packages were installed.
CUSTOMIZE = f"""set -eu
chroot "$1" systemctl --quiet mask {" ".join(MASKED)}
mkdir -p "$1/etc/systemd/system-generators"
for name in {" ".join(GENERATORS)}; do \
ln -s /dev/null "$1/etc/systemd/system-generators/$name"; done
chroot "$1" systemctl --quiet enable {" ".join(ENABLED)}
chroot "$1" systemctl --quiet set-default multi-user.target
chroot "$1" passwd --quiet --delete root
chroot "$1" usermod --password '*' root
echo localhost > "$1/etc/hostname"
printf '127.0.0.1 localhost\\n127.0.1.1 node1 node2 node3 node4 node5 node6\\n' > "$1/etc/hosts"
echo 5ab0c1d2e3f405162738495a6b7c8d9e > "$1/etc/machine-id"
chroot "$1" apt-get clean
chroot "$1" apt-get install --yes --download-only {" ".join(FETCHED)}
# By a Python of the host: the guest's may be emulated, and then takes minutes.
"${{LAB_PYTHON:?}}" "$1/{_TRIM_IN_GUEST}" "$1" {" ".join(KNOWN)}
rm "$1/{_TRIM_IN_GUEST}"
chroot "$1" apt-cache gencaches
# Unsafe writes are for the build alone: after a power cut they leave empty files in a guest.
sed -i '/force-unsafe-io/d' "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
# Newer than everything in /usr, so that no unit updates /etc and /var at the first boot.
touch "$1/etc/.updated" "$1/var/.updated"
"""

# Larger than the content, since tests install kernels and build modules.
DISK_SIZE = "8G"
MKE2FS = (
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "lab",
    # Checksums are slow under emulation. The journal, which a power cut needs, is there.
    "-O",
    "^metadata_csum,^64bit",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
    "-m",
    "0",
)


def packages(wanted: Recipe) -> tuple[str, ...]:
    """Packages that are installed."""
    return tuple(name.format(architecture=wanted.architecture) for name in PACKAGES)


def customize(wanted: Recipe) -> str:
    """The script that completes the guest's tree."""
    return CUSTOMIZE.replace("{console}", platform_of(wanted.architecture).console)


def guest_files(authorized_key: str, host_key: Path) -> bytes:
    """A tar of the files that are in the guest before its packages; root owns all of them."""
    content = {
        str(path.relative_to(GUEST_FILES)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(GUEST_FILES.rglob("*"))
        if path.is_file()
    }
    content[_TRIM_IN_GUEST] = (TRIM_LISTS.read_bytes(), 0o644)
    content["root/.ssh/authorized_keys"] = (f"{authorized_key}\n".encode(), 0o600)
    public = host_key.with_name(f"{host_key.name}.pub")
    content["etc/ssh/ssh_host_ed25519_key"] = (host_key.read_bytes(), 0o600)
    content["etc/ssh/ssh_host_ed25519_key.pub"] = (public.read_bytes(), 0o644)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        private = tarfile.TarInfo("root/.ssh")
        private.type, private.mode = tarfile.DIRTYPE, 0o700
        archive.addfile(private)
        for name, (data, mode) in content.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if mode & 0o100 else mode & 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def fingerprint(wanted: Recipe) -> str:
    """Everything above that decides the content of an image, as text."""
    files = [path for path in sorted(GUEST_FILES.rglob("*")) if path.is_file()]
    texts = [f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in [*files, TRIM_LISTS]]
    parts = (packages(wanted), APT_OPTIONS, DPKG_OPTIONS, MKE2FS, DISK_SIZE)
    return "\n".join([*map(repr, parts), customize(wanted), *texts])
