# SPDX-License-Identifier: GPL-3.0-or-later
"""Which main file the chronyd of a host reads."""

import re
import shlex

# Main files as distributions compile them in, and the files that set chronyd's options.
CONFIGS = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
OPTION_FILES = ("/etc/default/chrony", "/etc/sysconfig/chronyd")
OPTION_NAMES = ("DAEMON_OPTS", "OPTIONS")
# chronyd's options that take a value, as in its getopt string.
WITH_VALUE = "fFhlLPTu"


def config_option(arguments):
    """The value of -f among chronyd's arguments (without its own name), or None."""
    found, rest = None, list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            continue
        if word.startswith("--"):
            break
        for place, letter in enumerate(word[1:], 1):
            if letter in WITH_VALUE:
                value = word[place + 1 :] or (rest.pop(0) if rest else "")
                if letter == "f":
                    found = value
                break
    return found or None


def running_option(tree, pid):
    """The value of -f of a running chronyd."""
    words = (tree.raw("/proc/{0}/cmdline".format(pid)) or b"").split(b"\0")
    return config_option([word.decode("utf-8", "replace") for word in words[1:]])


def configured_option(tree):
    """The value of -f in the distribution's file of options, for a chronyd that does not run."""
    for path in OPTION_FILES:
        for line in (tree.text(path) or "").splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and name.strip() in OPTION_NAMES:
                found = config_option(_words(value))
                if found:
                    return found
    return None


def _words(value):
    try:
        return " ".join(shlex.split(value)).split()
    except ValueError:
        return value.split()


def main_file(tree, pid=0):
    """Path of the main file: of the running chronyd, or else of the one that would start."""
    named = running_option(tree, pid) if pid else configured_option(tree)
    if named:
        return named
    for path in CONFIGS:
        if tree.is_file(path):
            return path
    return None


def too_old(version):
    """Whether this chrony lacks confdir and `chronyd -p`, which came with 4.0."""
    found = re.match(r"([0-9]+)", version or "")
    return bool(found) and int(found.group(1)) < 4
