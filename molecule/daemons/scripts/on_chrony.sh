#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# on_chrony.sh SERVER: succeeds if chronyd is the only time daemon, has the former server, depends on no device unit, and the
# guard is removed.
set -eu
systemctl is-active chrony
systemctl is-enabled chrony
for unit in systemd-timesyncd ntpsec; do
  if systemctl is-active --quiet "$unit"; then echo "$unit runs" >&2; exit 1; fi
done
grep -x "server $1 iburst" /etc/chrony/conf.d/former-servers.conf
if test -e /etc/systemd/system/cipu-time-guard.service; then echo "the guard is left" >&2; exit 1; fi
if systemctl show -p Wants,After chrony | grep -F .device; then exit 1; fi
