#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# stop_dpkg.sh PACKAGE MOMENT: makes dpkg stop at the end of the run after which PACKAGE is removed (MOMENT removed), or chrony is
# unpacked but not configured (MOMENT unpacked).
set -eu
# In /run, so that dpkg does not stop again after the boot.
cat >/run/stop-dpkg <<EOF
state() { dpkg-query -W -f '\${db:Status-Status}' "\$1" 2>/dev/null || true; }
case "$2" in
  removed) case \$(state $1) in installed | triggers-*) exit 0 ;; esac ;;
  unpacked) [ "\$(state chrony)" = unpacked ] || exit 0 ;;
esac
touch /run/dpkg-stopped
exec sleep 600
EOF
echo 'post-invoke="if test -e /run/stop-dpkg; then sh /run/stop-dpkg; fi"' >/etc/dpkg/dpkg.cfg.d/stop
