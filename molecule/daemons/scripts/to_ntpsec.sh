#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# to_ntpsec.sh SERVER: installs ntpsec, which replaces the current time daemon, with this server.
set -eu
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends ntpsec
sed -i -E '/^(server|pool) /d' /etc/ntpsec/ntp.conf
echo "server $1 iburst" >>/etc/ntpsec/ntp.conf
# The policy of the images keeps packages from stopping and starting services.
systemctl stop systemd-timesyncd || true
systemctl restart ntpsec
systemctl is-active ntpsec
