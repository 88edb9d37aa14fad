#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# selected.sh NAME: succeeds if chronyd runs and has selected this refclock. Without a name, chronyd must have no refclock.
set -eu
systemctl is-active --quiet chrony
sources=$(chronyc -n -c sources)
if test -n "${1:-}"; then
  echo "$sources" | grep -q "^#,\*,$1,"
else
  if echo "$sources" | grep '^#'; then exit 1; fi
fi
