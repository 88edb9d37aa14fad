# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a simulated host, in place of DKMS, the kernel and chronyd.

/simulated/state.json is the state, /simulated/log the actions in order, /simulated/fail.json the
modules that fail, with the message of each, /simulated/pause.json those that wait for a file.
"""

import json
import os
import time

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
    path = os.path.join(FOLDER, "state.json")
    with open(path + ".new", "w") as stream:
        json.dump(now, stream)
    os.rename(path + ".new", path)


def log(line):
    with open(os.path.join(FOLDER, "log"), "a") as stream:
        stream.write(line + "\n")


def pause(name):
    """Wait until the file exists that pause.json names for a module, for at most ten minutes."""
    gate = read("pause.json", {}).get(name)
    deadline_s = time.monotonic() + 1000
    while gate and not os.path.exists(gate) and time.monotonic() < deadline_s:
        time.sleep(0.1)


def failure(name):
    pause(name)
    return read("fail.json", {}).get(name)
