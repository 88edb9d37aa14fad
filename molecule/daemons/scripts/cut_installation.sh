#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Simulates a power cut at the worst moment: timesyncd is removed, and chrony is unpacked but not configured.
set -eu
apt-get -qq install --yes --download-only chrony
dpkg --purge chrony
systemctl daemon-reload
systemctl enable cipu-time-guard
dpkg --force-depends --purge systemd-timesyncd
dpkg --unpack /var/cache/apt/archives/chrony_*.deb
sync
