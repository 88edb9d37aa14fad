# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the state of a host that rollouts change, a KEY=VALUE a line. Changes nothing. Argument: the driver's module.
module=$1
for unit in chrony.service chronyd.service chronyd-restricted.service systemd-timesyncd.service ntp.service ntpsec.service \
  openntpd.service; do
  # An alias of a unit that was printed has the same name here.
  [ "$(systemctl show -P Id "$unit" 2>/dev/null)" = "$unit" ] || continue
  systemctl is-active --quiet "$unit" || continue
  pid=$(systemctl show -P MainPID "$unit")
  case $unit in chrony*) chronyc -n tracking >/dev/null 2>&1 || continue ;; esac
  echo "daemon=$unit:$pid"
done
echo "loaded=$(cat "/sys/module/$module/version" 2>/dev/null)"
echo "installed=$(modinfo -F version "$module" 2>/dev/null)"
echo "selected=$(chronyc -n -c sources 2>/dev/null | sed -nE 's/^#,\*,([^,]*),.*/\1/p')"
echo "dpkg=$(dpkg --audit 2>/dev/null | sed -nE 's/^ ([^ ]+) .*/\1/p' | tr '\n' ' ')"
echo "dkms=$(dkms status 2>/dev/null | sed -E 's/: .*//' | tr '\n' ';')"
echo "servers=$(sed -n 's/^server //p' /etc/chrony/conf.d/former-servers.conf 2>/dev/null | tr '\n' ' ')"
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
