# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest whose package mirror fails: apt can neither download nor use what it downloaded."""

from .node import Node

# Arguments: the root of the guest's file system, and on or off. No process listens on port 9.
SWITCH = r"""
set -eu
root=${1%/} state=$2
conf=$root/etc/apt/apt.conf.d/99-lab-mirror-off
if [ "$state" = on ]; then
  rm -f "$conf"
  exit 0
fi
mkdir -p "$root/var/cache/apt/lab-empty/partial"
cat >"$conf.new" <<'END'
Acquire::Retries "0";
Acquire::http::Proxy "http://127.0.0.1:9";
Acquire::https::Proxy "http://127.0.0.1:9";
Dir::Cache::archives "lab-empty/";
END
mv "$conf.new" "$conf"
"""


def switch(node: Node, on: bool) -> None:
    """Break the guest's package mirror, or restore it."""
    node.login.run("sh", "-s", "/", "on" if on else "off", stdin=SWITCH)
