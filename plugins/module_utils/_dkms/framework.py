# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of DKMS on this host: framework.conf, its drop-ins, and the defaults."""

import re

CONFIG = "/etc/dkms/framework.conf"
DROP_INS = "/etc/dkms/framework.conf.d"
DEFAULTS = {
    "dkms_tree": "/var/lib/dkms",
    "source_tree": "/usr/src",
    "install_tree": "/lib/modules",
}
DKMS_CERTIFICATE = "/var/lib/dkms/mok.pub"
# Ubuntu's DKMS signs with the key that its shim-signed package makes.
SHIM_CERTIFICATE = "/var/lib/shim-signed/mok/MOK.der"


class Framework:
    def __init__(self, tree):
        self.tree = tree
        self.settings = dict(DEFAULTS)
        names = [name for name in tree.names(DROP_INS) if name.endswith(".conf")]
        for path in [CONFIG] + [DROP_INS + "/" + name for name in names]:
            self.settings.update(assignments(tree.text(path) or ""))

    @property
    def dkms_tree(self):
        return self._folder("dkms_tree")

    @property
    def source_tree(self):
        return self._folder("source_tree")

    @property
    def install_tree(self):
        return self._folder("install_tree")

    def _folder(self, name):
        path = self.settings[name].rstrip("/")
        return path if path.startswith("/") else DEFAULTS[name]

    def certificate(self, is_ubuntu=False):
        """Path of the certificate that DKMS signs with; None if there is none."""
        key = self.settings.get("mok_signing_key")
        own = self.settings.get("mok_certificate") or DKMS_CERTIFICATE
        # On Ubuntu, without a signing key of the operator's, DKMS overrides both settings.
        # DKMS before 3.0.3, and DKMS from another source than Ubuntu, use their own key.
        paths = [SHIM_CERTIFICATE, DKMS_CERTIFICATE] if is_ubuntu and not key else [own]
        return next((path for path in paths if self.tree.is_file(path)), None)


def assignments(text):
    """NAME=value of each line of a shell file that assigns a plain text, unquoted."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*(\w+(?:\[\d+\])?)=(\"[^\"]*\"|'[^']*'|[^\s#;]*)", line)
        if match and "$" not in match.group(2) and "`" not in match.group(2):
            found[match.group(1)] = match.group(2).strip("\"'")
    return found
