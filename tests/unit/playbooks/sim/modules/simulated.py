# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a simulated host, in place of DKMS, the kernel and chronyd.

/simulated/state.json is the state, /simulated/log the actions in order, /simulated/fail.json the
modules that fail, with the message of each.
"""

import json
import os

FOLDER = "/simulated"
KERNEL = "6.1.0-40-amd64"


def read(name, default):
    try:
        with open(os.path.join(FOLDER, name)) as stream:
            return json.load(stream)
    except (IOError, OSError):
        return default


def state():
    return read("state.json", {"dkms": {}, "loaded": None, "selected": "", "params": {}})


def save(now):
    with open(os.path.join(FOLDER, "state.json"), "w") as stream:
        json.dump(now, stream)


def log(line):
    with open(os.path.join(FOLDER, "log"), "a") as stream:
        stream.write(line + "\n")


def failure(name):
    return read("fail.json", {}).get(name)
