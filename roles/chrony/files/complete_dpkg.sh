#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# complete_dpkg.sh PACKAGE...: completes what an interrupted or failed run of dpkg left. Of these packages it removes those whose
# unpacking failed. dpkg marks them "reinstreq" and refuses to remove them without force, so apt could not replace them.
set -u
export DEBIAN_FRONTEND=noninteractive
for package in "$@"; do
  flag=$(dpkg-query -W -f '${db:Status-Eflag}' "$package" 2>/dev/null) || continue
  [ "$flag" != reinstreq ] || dpkg --remove --force-remove-reinstreq "$package"
done
dpkg --configure --pending
