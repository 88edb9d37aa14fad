# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this kernel will load what DKMS built, and what to do if not. Nothing is enrolled."""

import re

from ansible_collections.cipu.clock.plugins.module_utils._host import system

# Where DKMS 3 keeps the certificate that it makes by itself, unless told otherwise.
CERTIFICATE = "/var/lib/dkms/mok.pub"
CONFIGS = ("/etc/dkms/framework.conf",)
LOCKED = ("integrity", "confidentiality")


def certificate(tree):
    """Path of the certificate that DKMS signs with; None if there is none."""
    path = CERTIFICATE
    folder = "/etc/dkms/framework.conf.d"
    drop_ins = tuple(folder + "/" + n for n in tree.names(folder) if n.endswith(".conf"))
    for config in CONFIGS + drop_ins:
        for line in (tree.text(config) or "").splitlines():
            found = re.match(r"\s*mok_certificate=[\"']?([^\"'#\s]+)", line)
            if found and "$" not in found.group(1):
                path = found.group(1)
    return path if tree.is_file(path) else None


def enforced(secure_boot):
    """True, False, or None where it cannot be seen."""
    if secure_boot.get("signature_enforced") or secure_boot.get("lockdown") in LOCKED:
        return True
    if secure_boot.get("enabled"):
        return None if "lockdown" not in secure_boot else False
    return False


def parse_enrolled(text):
    """What `mokutil --test-key` says; its exit status means the contrary in some releases."""
    if "already enrolled" in text or "is enrolled" in text:
        return True
    return False if "not enrolled" in text else None


def next_step(demanded, signers, path, enrolled, firmware=True):
    """One sentence; None where nothing is to be done. firmware: whether there is UEFI."""
    if demanded is False:
        return None
    unsigned = sorted(kernel for kernel, signer in signers.items() if not signer)
    if unsigned:
        return (
            "The kernel takes signed modules only, and the module for {0} is not signed: name "
            "mok_signing_key and mok_certificate in /etc/dkms/framework.conf, and build with force."
        ).format(", ".join(unsigned))
    if enrolled is False and path:
        return (
            "The module is signed with a key that the firmware does not know: run mokutil --import "
            "{0}, reboot, and confirm the enrolment at the console.".format(path)
        )
    if enrolled is None and demanded and not firmware:
        return (
            "The kernel takes only modules whose key it knows, and without UEFI none can be "
            "enrolled: boot it without module.sig_enforce, or one that has the key of "
            "{0} built in.".format(", ".join(sorted(set(signers.values()))))
        )
    if enrolled is None and demanded:
        return (
            "Whether the firmware knows the key that signed the module cannot be seen: install "
            "mokutil, and run mokutil --test-key {0}.".format(path or CERTIFICATE)
        )
    return None


def told(tree, signers, test_key):
    """The record for the return value. test_key: path -> what mokutil says, or None."""
    secure_boot = system.secure_boot(tree)
    path = certificate(tree)
    answer = test_key(path) if path else None
    enrolled = parse_enrolled(answer) if answer else None
    demanded = enforced(secure_boot)
    return dict(
        secure_boot,
        enforced=demanded,
        signers=signers,
        certificate=path,
        enrolled=enrolled,
        next_step=next_step(demanded, signers, path, enrolled, tree.is_dir("/sys/firmware/efi")),
    )
