# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module dkms. A build takes minutes, so lines of progress are printed."""

from ansible_collections.cipu.clock.plugins.plugin_utils.progress import ModuleWithProgress


class ActionModule(ModuleWithProgress):
    def what(self):
        args = self._task.args
        name = "{0} {1}".format(args.get("name"), args.get("version") or "").strip()
        if args.get("state") == "absent":
            return "removing {0} from DKMS".format(name)
        if args.get("tarball"):
            return "installing {0} from a DKMS archive".format(name)
        return "building {0} with DKMS".format(name)
