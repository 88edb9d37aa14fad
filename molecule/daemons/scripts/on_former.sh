#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Succeeds if timesyncd runs and is enabled, and no file of the role is left.
set -eu
systemctl is-active systemd-timesyncd
systemctl is-enabled systemd-timesyncd
for path in /etc/cipu-clock /usr/local/lib/cipu-clock /etc/systemd/system/chrony.service.d \
  /etc/systemd/system/cipu-time-guard.service /etc/systemd/system/cipu-refclock.service \
  /etc/udev/rules.d/61-cipu-refclock.rules /etc/chrony/conf.d/cipu.conf /etc/chrony/conf.d/former-servers.conf; do
  if test -e "$path"; then echo "$path is left" >&2; exit 1; fi
done
