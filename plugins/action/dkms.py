# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module dkms. A build takes minutes, so lines of progress are printed."""

from ansible_collections.cipu.clock.plugins.plugin_utils.progress import ModuleWithProgress


class ActionModule(ModuleWithProgress):
    def what(self):
        args = self._task.args
        name = "{0} {1}".format(args.get("name"), args.get("version") or "").strip()
        if args.get("state") == "absent":
            return "DKMS removes {0}".format(name)
        if args.get("tarball"):
            return "DKMS installs {0} from an archive".format(name)
        return "DKMS builds {0}".format(name)
