# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles probe, driver and chrony on a host that is laid out like EL 9, up to the kernel build.

Real: systemd, dnf, rpm, DKMS 3.0, chronyd, a compiler with Debian's headers of Linux 6.1. Named as
in EL: os-release, packages, kernel releases, paths, unit, user. The tests run in order on one host.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import elhost
import pytest
from elhost import NEW, OLD

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packaging"))
import build  # noqa: E402  (found by the line above)

REASON = elhost.missing()
pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.timeout(3600),
]
KERNELS = {"cipu_driver_kernels": [OLD, NEW]}
# A driver cannot be loaded into this machine's kernel.
INSTALL = ("--tags", "cipu_driver_preflight,cipu_driver_install,cipu_driver_configure")
# Name of the distribution -> files of /etc.
SYSTEMS = {
    "alinux": {
        "os-release": 'NAME="Alibaba Cloud Linux"\nVERSION="3 (Soaring Falcon)"\nID="alinux"\n'
        'ID_LIKE="rhel fedora centos anolis"\nVERSION_ID="3"\n',
        "redhat-release": "Alibaba Cloud Linux release 3 (Soaring Falcon)\n",
    },
    "anolis": {
        "os-release": 'NAME="Anolis OS"\nVERSION="8.8"\nID="anolis"\n'
        'ID_LIKE="rhel fedora centos"\nVERSION_ID="8.8"\n',
        "redhat-release": "Anolis OS release 8.8\n",
    },
    "openEuler": {
        "os-release": 'NAME="openEuler"\nVERSION="22.03 (LTS-SP3)"\nID="openEuler"\n'
        'VERSION_ID="22.03"\n',
        "openEuler-release": "openEuler release 22.03 (LTS-SP3)\n",
    },
    "centos": {
        "os-release": 'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nID_LIKE="rhel fedora"\n'
        'VERSION_ID="9"\n',
        "redhat-release": "CentOS Stream release 9\n",
    },
    "rocky": {
        "os-release": elhost.OS_RELEASE,
        "redhat-release": "Rocky Linux release 9.5 (Blue Onyx)\n",
    },
}


@pytest.fixture(scope="module")
def host() -> Iterator[elhost.Host]:
    made = elhost.Host()
    try:
        made.create()
        made.boot()
        # What an image of EL has: two kernels, of which grubby set the older one, and chrony.
        done = made.shell(
            f"dnf -q -y install rocky-release kernel-core-{OLD} kernel-core-{NEW} chrony 2>&1"
        )
        assert done.returncode == 0, done.stdout
        entry = f"5ab0c1d2e3f405162738495a6b7c8d9e-{OLD}"
        made.write("/boot/grub2/grubenv", f"# GRUB Environment Block\nsaved_entry={entry}\n")
        assert made.shell("systemctl enable --now chronyd.service").returncode == 0
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rpms")
    made = build.build(folder)
    made += build.build(folder, [build.driver_as("0.1.9")])
    return {path.name.rpartition("-1.")[0]: path for path in made if path.suffix == ".rpm"}


def modules(host: elhost.Host) -> list[str]:
    return host.shell("find /lib/modules/ -name 'ptp_cipu*' | sort").stdout.split()


def vermagic(host: elhost.Host, release: str) -> str:
    return host.shell(f"modinfo -k {release} -F vermagic ptp_cipu").stdout.split(" ")[0]


def test_kernels_headers_and_the_next_boot_are_read(host: elhost.Host) -> None:
    facts = {
        "debug": {"msg": "{{ ansible_facts.cipu_clock.kernel | to_json }} END"},
    }
    done = host.play([{"cipu.clock.clock_facts": {}}, facts])
    assert done.rc == 0, done.text
    text = done.text.replace("\\", "")
    assert f'"next": "{OLD}"' in text
    for release in (OLD, NEW):
        assert f'"headers_package": "kernel-devel-{release}"' in text
    assert '"headers_meta": "kernel-devel"' in text or '"headers_meta": null' in text


def test_the_running_kernel_without_known_headers_is_refused(host: elhost.Host) -> None:
    done = host.role("driver", *INSTALL)
    assert done.rc == 2, done.text
    assert "has no headers, and no package of this distribution provides them" in done.line
    assert host.shell("rpm -q dkms").returncode == 1


def test_clockprobe_is_installed(host: elhost.Host) -> None:
    done = host.role("probe")
    assert done.rc == 0, done.text
    assert host.shell("clockprobe --version").returncode == 0


def test_the_driver_is_built_for_each_kernel_with_headers_from_dnf(host: elhost.Host) -> None:
    asked = host.role("driver", *INSTALL, "--check", **KERNELS)
    assert asked.rc == 0, asked.text
    assert host.shell("rpm -q dkms").returncode == 1
    done = host.role("driver", *INSTALL, **KERNELS)
    assert done.rc == 0, done.text
    for release in (OLD, NEW):
        assert host.shell(f"rpm -q kernel-devel-{release}").returncode == 0
        assert vermagic(host, release) == release
    # No link of weak-modules stands for the build of another kernel.
    assert [path for path in modules(host) if "weak-updates" in path] == []
    assert all("/extra/" in path for path in modules(host)), modules(host)
    rules = host.shell("cat /etc/udev/rules.d/60-ptp_cipu.rules").stdout
    assert 'GROUP="chrony"' in rules
    again = host.role("driver", *INSTALL, **KERNELS)
    assert (again.rc, again.changed) == (0, 0), again.text


def test_the_driver_is_removed(host: elhost.Host) -> None:
    done = host.role("driver", cipu_driver_state="absent")
    assert done.rc == 0, done.text
    assert modules(host) == []
    assert host.shell("ls -d /usr/src/ptp_cipu-* /var/lib/dkms/ptp_cipu").stdout == ""


def test_chrony_without_confdir_is_refused_or_added_and_restored(host: elhost.Host) -> None:
    former = host.shell("cat /etc/chrony.conf").stdout
    done = host.role("chrony", cipu_chrony_add_confdir=False)
    assert done.rc == 2, done.text
    assert "/etc/chrony.conf" in done.line, done.text
    assert "cipu_chrony_add_confdir" in done.line, done.text
    assert host.shell("cat /etc/chrony.conf").stdout == former

    # Without the device chronyd cannot select the clock. The role must leave a running daemon.
    done = host.role("chrony", cipu_chrony_sync_timeout_s=10)
    assert done.rc == 2, done.text
    assert host.shell("systemctl is-active chronyd.service").stdout.strip() == "active"
    assert host.shell("chronyd -p").returncode == 0
    assert host.shell("cat /etc/chrony.conf").stdout == former
    assert host.shell("stat -c %U /proc/$(cat /run/chrony/chronyd.pid)").stdout == "chrony\n"


def test_packages_are_installed_upgraded_and_removed(
    host: elhost.Host, packages: dict[str, Path]
) -> None:
    for version in ("0.1.9", "0.2.0"):
        given = {
            "cipu_driver_method": "package",
            "cipu_driver_version": version,
            "cipu_driver_package_file": str(packages[f"ptp-cipu-dkms-{version}"]),
        }
        done = host.role("driver", *INSTALL, **KERNELS, **given)
        assert done.rc == 0, done.text
        assert host.shell("rpm -q --qf '%{VERSION}' ptp-cipu-dkms").stdout == version
        for release in (OLD, NEW):
            assert vermagic(host, release) == release
            shown = host.shell(f"modinfo -k {release} -F version ptp_cipu").stdout.strip()
            assert shown == version
    assert host.shell("rpm -V ptp-cipu-dkms").stdout == ""
    done = host.role("driver", cipu_driver_state="absent")
    assert done.rc == 0, done.text
    assert host.shell("rpm -q ptp-cipu-dkms").returncode == 1
    # The packages that it needs are kept.
    assert host.shell("rpm -q dkms gcc make").returncode == 0
    assert modules(host) == []
    assert host.shell("ls -d /usr/src/ptp_cipu-* /usr/lib/udev/rules.d/60-ptp*").stdout == ""


def test_clockprobe_comes_from_its_package(host: elhost.Host, packages: dict[str, Path]) -> None:
    (package,) = (path for name, path in packages.items() if name.startswith("clockprobe"))
    given = {"cipu_probe_method": "package", "cipu_probe_package_file": str(package)}
    refused = host.role("probe", **given)
    assert refused.rc == 2
    assert "/usr/local/bin/clockprobe was installed without the package" in refused.line
    assert host.role("probe", cipu_probe_state="absent").rc == 0
    done = host.role("probe", **given)
    assert done.rc == 0, done.text
    assert host.shell("command -v clockprobe").stdout == "/usr/bin/clockprobe\n"
    assert host.role("probe", cipu_probe_state="absent").rc == 0
    assert host.shell("rpm -q clockprobe").returncode == 1


def test_what_ansible_calls_the_systems_of_the_family(host: elhost.Host) -> None:
    tasks: list[dict[str, object]] = []
    for name, files in SYSTEMS.items():
        script = "rm -f /etc/*-release\n"
        for file, content in files.items():
            script += f"cat >/etc/{file} <<'EOF'\n{content}EOF\n"
        roles = ("driver", "probe", "chrony")
        families = " ".join(f"{{{{ cipu_{role}_family_name }}}}" for role in roles)
        tasks += [
            {"shell": script},
            {"setup": {"gather_subset": ["!all", "!min", "distribution", "platform", "pkg_mgr"]}},
            *({"include_vars": str(ROOT / f"roles/{role}/vars/main.yml")} for role in roles),
            {"debug": {"msg": f"FAMILY {name} {families} {{{{ ansible_facts.pkg_mgr }}}} END"}},
        ]
    done = host.play(tasks)
    assert done.rc == 0, done.text
    for name in SYSTEMS:
        assert f"FAMILY {name} RedHat RedHat RedHat dnf END" in done.line, done.text
