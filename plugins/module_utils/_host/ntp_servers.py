# SPDX-License-Identifier: GPL-3.0-or-later
"""NTP servers in the configuration of timesyncd, ntpd, ntpsec and openntpd, as lines for chrony."""

import os

TIMESYNCD = "timesyncd.conf"
# In systemd's order: a file replaces those of the same name further down.
TIMESYNCD_FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
NTPD_FILES = ("/etc/ntpsec/ntp.conf", "/etc/ntp.conf")
OPENNTPD_FILES = ("/etc/openntpd/ntpd.conf", "/etc/ntpd.conf")
SERVERS_LIMIT = 16
NAME_LIMIT = 253


def of_timesyncd(tree):
    """NTP=, or FallbackNTP= where no NTP= is set. Values add up, and an empty one clears them."""
    values = {"NTP": [], "FallbackNTP": []}
    for path in _timesyncd_files(tree):
        for line in (tree.text(path) or "").splitlines():
            name, equals, value = line.partition("=")
            name = name.strip()
            if equals and name in values:
                values[name] = values[name] + value.split() if value.strip() else []
    return ["server " + name for name in values["NTP"] or values["FallbackNTP"]]


def _timesyncd_files(tree):
    main = [os.path.join(folder, TIMESYNCD) for folder in TIMESYNCD_FOLDERS]
    files = [path for path in main if tree.is_file(path)][:1]
    dropins = {}
    for path in main:
        for name in tree.names(path + ".d"):
            if name.endswith(".conf"):
                dropins.setdefault(name, os.path.join(path + ".d", name))
    return files + [dropins[name] for name in sorted(dropins)]


def of_ntpd(tree):
    """`server` and `pool` lines. Addresses of 127.127 are ntpd's own drivers."""
    found = []
    for words in _first_file(tree, NTPD_FILES):
        names = [word for word in words[1:] if not word.startswith("-")]
        if words[0] in {"server", "pool"} and names and not names[0].startswith("127.127."):
            found.append("{0} {1}".format(words[0], names[0]))
    return found


def of_openntpd(tree):
    """`server` and `servers` lines; the latter takes all addresses of a name, as a pool does."""
    kinds = {"server": "server", "servers": "pool"}
    return [
        "{0} {1}".format(kinds[words[0]], words[1])
        for words in _first_file(tree, OPENNTPD_FILES)
        if words[0] in kinds and len(words) > 1
    ]


def _first_file(tree, paths):
    for path in paths:
        text = tree.text(path)
        if text is not None:
            lines = [line.partition("#")[0].split() for line in text.splitlines()]
            return [words for words in lines if words]
    return []


READERS = {"timesyncd": of_timesyncd, "ntpd": of_ntpd, "openntpd": of_openntpd}


def of_daemons(tree, daemons):
    """Lines of all these daemons, each once."""
    lines = []
    for daemon in sorted(daemons):
        for line in READERS.get(daemon, lambda _tree: [])(tree):
            if line not in lines and len(line) < NAME_LIMIT and line.isprintable():
                lines.append(line)
    return lines[:SERVERS_LIMIT]
