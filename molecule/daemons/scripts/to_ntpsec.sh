#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# to_ntpsec.sh SERVER: installs ntpsec, which replaces the current time daemon, with this server.
set -eu
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends ntpsec
sed -i -E '/^(server|pool) /d' /etc/ntpsec/ntp.conf
echo "server $1 iburst" >>/etc/ntpsec/ntp.conf
systemctl restart ntpsec
systemctl is-active ntpsec
