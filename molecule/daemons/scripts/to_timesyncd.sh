#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends systemd-timesyncd
dpkg --purge ntpsec
systemctl is-active systemd-timesyncd
