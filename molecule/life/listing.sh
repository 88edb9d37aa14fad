#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists files that belong to no package, packages, loaded modules of the clock and unit files. Logs, caches and files that change
# by themselves are left out.
set -eu
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/tmp \
  -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \
  -o -path /root -o -name __pycache__ \) -prune -o -print | sort > /tmp/listing.files
sed -E 's#^/(bin|sbin|lib|lib64)(/|$)#/usr/\1\2#' /var/lib/dpkg/info/*.list | sort -u > /tmp/listing.owned
comm -23 /tmp/listing.files /tmp/listing.owned | sed 's/^/file /'
rm /tmp/listing.files /tmp/listing.owned
# Folders for administrators are listed completely, so that a changed line in a package's file counts too.
find /etc -xdev -type f -exec sha256sum {} + | sed -E 's#^([0-9a-f]{12})[0-9a-f]* +/#content \1 /#'
dpkg-query -W -f 'package ${Package}\n'
sed -n 's/^\(ptp[^ ]*\) .*/module \1/p' /proc/modules
# On a busy machine without KVM this takes longer than the 25 s that systemctl waits.
units=$(SYSTEMD_BUS_TIMEOUT=300 systemctl list-unit-files --no-legend --no-pager)
[ "$units" ] || { echo "systemctl lists no unit files: does the machine still boot?" >&2; exit 1; }
echo "$units" | sed 's/ .*//; s/^/unit /'
find /var/cache /var/tmp /root -name '*cipu*' | sed 's/^/file /'
