#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# on_former.sh UNIT: succeeds if this unit runs and is enabled, chronyd does not run, and no file of the role is left.
set -eu
systemctl is-active "$1"
systemctl is-enabled "$1"
if systemctl is-active --quiet chrony; then echo "chronyd runs too" >&2; exit 1; fi
for path in /etc/cipu-clock /usr/local/lib/cipu-clock /etc/systemd/system/chrony.service.d \
  /etc/systemd/system/cipu-time-guard.service /etc/systemd/system/cipu-refclock.service \
  /etc/udev/rules.d/61-cipu-refclock.rules /etc/chrony/conf.d/cipu.conf /etc/chrony/conf.d/former-servers.conf; do
  if test -e "$path"; then echo "$path is left" >&2; exit 1; fi
done
