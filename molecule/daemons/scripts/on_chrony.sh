#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Succeeds if chronyd is the only time daemon, has the former servers, depends on no device unit, and the guard is removed.
set -eu
systemctl is-active chrony
systemctl is-enabled chrony
if systemctl is-active --quiet systemd-timesyncd; then echo "timesyncd runs" >&2; exit 1; fi
grep -x 'server 192.0.2.10 iburst' /etc/chrony/conf.d/former-servers.conf
if test -e /etc/systemd/system/cipu-time-guard.service; then echo "the guard is left" >&2; exit 1; fi
if systemctl show -p Wants,After chrony | grep -F .device; then exit 1; fi
