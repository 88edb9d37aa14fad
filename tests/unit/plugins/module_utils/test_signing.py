# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that signed a module, and the certificate of this host."""

import base64
import shutil
import subprocess

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._dkms import signing
from ansible_collections.cipu.clock.plugins.module_utils._dkms.framework import Framework
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

# The head of a certificate: SEQUENCE { SEQUENCE { [0] { INTEGER 2 }, INTEGER 0x00a1b2, ... } }
DER = bytes.fromhex("300c300aa0030201020203" + "00a1b2")
KERNEL = "6.1.0-40-amd64"
UBUNTU = b"ID=ubuntu\nID_LIKE=debian\n"
SHIM = "/var/lib/shim-signed/mok/MOK.der"


def test_serial_of_a_certificate():
    assert signing.serial(DER) == "a1b2"
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(DER)
    assert signing.serial(pem + b"\n-----END CERTIFICATE-----\n") == "a1b2"
    for damaged in (b"", b"\x30", DER[:6], b"no certificate"):
        assert signing.serial(damaged) is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_serial_of_a_certificate_as_dkms_makes_it(tmp_path):
    path = tmp_path / "mok.pub"
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-new",
                "-x509",
                "-nodes",
                "-days",
                "3650",
                "-newkey",
                "rsa:2048",
                "-outform",
                "DER",
            ],
            "-subj",
        ]
        + ["/CN=DKMS module signing key", "-keyout", str(tmp_path / "key"), "-out", str(path)],
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    asked = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", str(path), "-noout", "-serial"],
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    expected = asked.stdout.decode().strip().partition("=")[2].lower().lstrip("0")
    assert signing.serial(path.read_bytes()) == expected


def record(tmp_path, keys, **files):
    enforcing = {"sys/module/module/parameters/sig_enforce": b"Y\n"}
    for name, content in dict(enforcing, **files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    tree = Tree(str(tmp_path))
    signers = {KERNEL: "DKMS module signing key"}
    return signing.record(
        tree, Framework(tree), signers, {KERNEL: keys}, lambda path: path + " is already enrolled"
    )


def test_another_hosts_key_of_the_same_name_is_detected(tmp_path):
    files = {"var/lib/dkms/mok.pub": DER}
    own = record(tmp_path, ["00:A1:B2"], **files)
    assert (own["foreign_kernels"], own["next_step"]) == ([], None)
    other = record(tmp_path, ["5A:0B:77"], **files)
    assert other["foreign_kernels"] == [KERNEL]
    assert "signed with another key than /var/lib/dkms/mok.pub" in other["next_step"]


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, None),
        ({"var/lib/dkms/mok.pub": DER}, "/var/lib/dkms/mok.pub"),
        (
            {"etc/os-release": UBUNTU, SHIM[1:]: DER},
            SHIM,
        ),
        (
            {"etc/dkms/framework.conf": b'mok_certificate="/etc/own.der"\n', "etc/own.der": DER},
            "/etc/own.der",
        ),
        ({"etc/dkms/framework.conf": b'mok_certificate="/etc/own.der"\n'}, None),
        # Ubuntu's DKMS uses the settings only where there is a signing key.
        (
            {
                "etc/os-release": UBUNTU,
                "etc/dkms/framework.conf": b'mok_certificate="/etc/own.der"\n',
                "etc/own.der": DER,
                SHIM[1:]: DER,
            },
            SHIM,
        ),
        (
            {
                "etc/os-release": UBUNTU,
                "etc/dkms/framework.conf": b"mok_signing_key=/etc/own.key\n"
                b"mok_certificate=/etc/own.der\n",
                "etc/own.der": DER,
                SHIM[1:]: DER,
            },
            "/etc/own.der",
        ),
        (
            {
                "etc/os-release": UBUNTU,
                "etc/dkms/framework.conf": b"mok_signing_key=/etc/own.key\n",
                "var/lib/dkms/mok.pub": DER,
                SHIM[1:]: DER,
            },
            "/var/lib/dkms/mok.pub",
        ),
        # A derivative, which DKMS takes for Ubuntu too; and Debian, where shim has no key.
        (
            {"etc/os-release": b'ID=linuxmint\nID_LIKE="ubuntu debian"\n', SHIM[1:]: DER},
            SHIM,
        ),
        ({"etc/os-release": b"ID=debian\n", SHIM[1:]: DER}, None),
    ],
)
def test_the_certificate_of_this_host(tmp_path, files, expected):
    assert record(tmp_path, ["A1:B2"], **files)["certificate"] == expected


def test_an_unsigned_module_on_ubuntu_without_the_key_of_shim_signed():
    def step(path, ubuntu):
        return signing.next_step(True, {KERNEL: None}, path, None, ubuntu=ubuntu)

    assert "is not signed. Install shim-signed, or set mok_signing_key" in step(None, True)
    assert "shim-signed" not in step(SHIM, True)
    assert "is not signed. Set mok_signing_key" in step(None, False)
