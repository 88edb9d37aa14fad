# SPDX-License-Identifier: GPL-3.0-or-later
"""Small .deb packages of the driver and clockprobe, for the real dpkg and apt of a simulated host.

They have the paths of the packages that `make packages` builds. Instead of DKMS their scripts use
the simulated state.
"""

import hashlib
import shutil
import subprocess

import pytest

_CHANGE = """#!/usr/bin/python3
import json
with open("/simulated/state.json") as stream:
    now = json.load(stream)
with open("/simulated/log", "a") as log:
    log.write("package {verb} {version}\\n")
{change}
with open("/simulated/state.json", "w") as stream:
    json.dump(now, stream)
"""
_ADD = 'now["dkms"]["6.1.0-40-amd64"] = "{version}"'
_REMOVE = 'now["dkms"] = {{k: v for k, v in now["dkms"].items() if v != "{version}"}}'


def require_dpkg():
    missing = [name for name in ("dpkg-deb", "apt-get") if not shutil.which(name)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    words = ["/usr/bin/python3", "-c", "import apt"]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("not installed: python3-apt")


def build(folder, name, version, files, scripts=()):
    """Builds NAME_VERSION_all.deb in the folder."""
    tree = folder / f"tree-{name}-{version}"
    for path, content in files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True)
        target.write_text(content)
        target.chmod(0o755 if content.startswith("#!") else 0o644)
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    for script, content in dict(scripts).items():
        (control / script).write_text(content)
        (control / script).chmod(0o755)
    package = folder / f"{name}_{version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", "-Zgzip", str(tree), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    return package


def driver(folder, version, name="ptp-cipu-dkms"):
    scripts = {
        script: _CHANGE.format(verb=verb, version=version, change=change.format(version=version))
        for script, verb, change in (
            ("postinst", "installs", _ADD),
            ("prerm", "removes", _REMOVE),
        )
    }
    conf = {f"/usr/src/ptp_cipu-{version}/dkms.conf": f'PACKAGE_VERSION="{version}"\n'}
    return build(folder, name, version, conf, scripts)


def clockprobe(folder, version="0.2.0"):
    return build(folder, "clockprobe", version, {"/usr/bin/clockprobe": "#!/bin/sh\n"})


def publish(host, packages):
    """Makes the packages the only ones of the host's repositories."""
    index = ""
    for package in packages:
        data = package.read_bytes()
        host.path("/repository").mkdir(exist_ok=True)
        (host.path("/repository") / package.name).write_bytes(data)
        name, version, _rest = package.name.split("_")
        index += (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nFilename: ./{package.name}\n"
            f"Size: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\nDescription: x\n\n"
        )
    host.write("/repository/Packages", index)
    host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n")
    for path in ("/etc/apt/sources.list.d", "/etc/apt/apt.conf.d"):
        host.hide(path)
