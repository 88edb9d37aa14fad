# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the checkout importable as the collection, in any folder.

Under ansible-test it is already importable, and nothing is done here.
"""

import importlib
import os
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def _importable():
    try:
        importlib.import_module(
            "ansible_collections.cipu.clock.plugins.module_utils._health.thresholds"
        )
    except ImportError:
        return False
    return True


if not _importable():
    name, paths = "", {"ansible_collections": [], "cipu": [], "clock": [ROOT]}
    for part, path in paths.items():
        name = name + "." + part if name else part
        package = types.ModuleType(name)
        package.__path__ = path
        sys.modules[name] = package
