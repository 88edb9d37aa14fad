#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Files, loaded modules of the clock and unit files of a host; without logs, caches and what changes by itself.
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/tmp \
  -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \
  -o -path /root -o -name __pycache__ \) -prune -o -print | sed 's/^/file /'
grep -E '^ptp' /proc/modules | sed 's/ .*//; s/^/module /'
systemctl list-unit-files --no-legend --no-pager | sed 's/ .*//; s/^/unit /'
find /var/cache /var/tmp -name '*cipu*' | sed 's/^/file /'
