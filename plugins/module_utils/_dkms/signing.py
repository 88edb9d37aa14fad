# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this kernel loads the modules that DKMS built, and what to do if not. Enrols nothing."""

import base64
import binascii
import re

from ansible_collections.cipu.clock.plugins.module_utils._dkms.framework import DKMS_CERTIFICATE
from ansible_collections.cipu.clock.plugins.module_utils._host import headers, system

LOCKED = ("integrity", "confidentiality")
CERTIFICATE_LIMIT = 64 * 1024


def enforced(secure_boot):
    """True, False, or None where it cannot be read."""
    if secure_boot.get("signature_enforced") or secure_boot.get("lockdown") in LOCKED:
        return True
    if secure_boot.get("enabled"):
        return None if "lockdown" not in secure_boot else False
    return False


def parse_enrolled(text):
    """The answer of `mokutil --test-key`; its exit status means the opposite in some releases."""
    if "already enrolled" in text or "is enrolled" in text:
        return True
    return False if "not enrolled" in text else None


def serial(certificate):
    """Serial number of an X.509 certificate, DER or PEM, as lower-case hex; None if malformed."""
    pem = re.search(
        rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", certificate, re.DOTALL
    )
    try:
        der = base64.b64decode(pem.group(1)) if pem else certificate
        _tag, outer = _element(der)
        _tag, body = _element(outer)
        tag, value = _element(body)
        if tag == 0xA0:  # the version, which may be left out
            tag, value = _element(body, body.index(value) + len(value))
    except (IndexError, ValueError, binascii.Error):
        return None
    return _bare(binascii.hexlify(value).decode("ascii")) if tag == 0x02 else None


def _element(data, start=0):
    """Tag and content of the ASN.1 element at an offset."""
    length, place = data[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[place : place + size], "big")
        place += size
    if place + length > len(data):
        raise ValueError("cut off")
    return data[start], data[place : place + length]


def _bare(key):
    return key.replace(":", "").lower().lstrip("0")


def foreign_kernels(keys, certificate_serial):
    """Kernels whose module another key signed. keys: kernel -> sig_key values of its modules."""
    if not certificate_serial:
        return []
    return sorted(
        kernel
        for kernel, of_kernel in keys.items()
        if any(key and _bare(key) != certificate_serial for key in of_kernel)
    )


def next_step(demanded, signers, path, enrolled, firmware=True, foreign=(), ubuntu=False):
    """One sentence; None if nothing is to do. firmware: whether the host has UEFI."""
    if demanded is False:
        return None
    unsigned = sorted(kernel for kernel, signer in signers.items() if not signer)
    if unsigned:
        # Ubuntu's DKMS signs with the key of shim-signed, which its update-secureboot-policy makes.
        remedy = (
            "Install shim-signed, or set mok_signing_key and mok_certificate in "
            if ubuntu and not path
            else "Set mok_signing_key and mok_certificate in "
        )
        return (
            "The kernel loads signed modules only, and the module for {0} is not signed. {1}"
            "/etc/dkms/framework.conf, and build with force."
        ).format(", ".join(unsigned), remedy)
    if foreign:
        return (
            "The module for {0} is signed with another key than {1}, the certificate of this host. "
            "Build on this host with force, or use the same key on every host."
        ).format(", ".join(foreign), path)
    if enrolled is False and path:
        return (
            "The module is signed with a key that the firmware does not trust. Run mokutil "
            "--import {0}, reboot, and confirm the enrolment at the console.".format(path)
        )
    if enrolled is None and demanded:
        return _unknown(signers, path, firmware)
    return None


def _unknown(signers, path, firmware):
    """The next step if it cannot be checked whether the kernel trusts the key."""
    if firmware:
        return (
            "Whether the firmware trusts the key that signed the module cannot be checked. "
            "Install mokutil, and run mokutil --test-key {0}.".format(path or DKMS_CERTIFICATE)
        )
    return (
        "The kernel loads only modules whose key it trusts, and without UEFI no key can be "
        "enrolled. Boot it without module.sig_enforce, or boot a kernel with the key of "
        "{0} built in.".format(", ".join(sorted(set(signers.values()))))
    )


def is_ubuntu(tree):
    return headers.os_family(tree) == "ubuntu"


def record(tree, framework, signers, keys, test_key):
    """The record for the return value. test_key: path -> the answer of mokutil, or None."""
    secure_boot = system.secure_boot(tree)
    ubuntu = is_ubuntu(tree)
    path = framework.certificate(ubuntu)
    answer = test_key(path) if path else None
    enrolled = parse_enrolled(answer) if answer else None
    demanded = enforced(secure_boot)
    own = serial(tree.raw(path, CERTIFICATE_LIMIT) or b"") if path else None
    foreign = foreign_kernels(keys, own)
    firmware = tree.is_dir("/sys/firmware/efi")
    return dict(
        secure_boot,
        enforced=demanded,
        signers=signers,
        certificate=path,
        enrolled=enrolled,
        foreign_kernels=foreign,
        next_step=next_step(demanded, signers, path, enrolled, firmware, foreign, ubuntu),
    )
