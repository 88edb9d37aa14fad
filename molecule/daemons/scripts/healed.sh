#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Succeeds if a time daemon runs and is enabled, and the guard has removed itself.
set -eu
for unit in chrony systemd-timesyncd none; do
  if systemctl is-active --quiet "$unit"; then break; fi
done
systemctl is-enabled "$unit"
if test -e /etc/systemd/system/cipu-time-guard.service; then exit 1; fi
