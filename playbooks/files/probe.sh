# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Prints one line about a host. It needs a POSIX shell, no Python and no root, and changes nothing.
# INPUTS: checksum of the rollout's inputs; INTERPRETER: Python of the inventory, or empty; PROBE: path of clockprobe.
functions=$(grep -lsx PCI_ID=1DED:500C /sys/bus/pci/devices/*/uevent | wc -l)

# 4026531836 is the kernel's number of the initial PID namespace. A marker file alone proves nothing: images of VMs have them too.
container=no
namespace=$(readlink /proc/self/ns/pid)
if [ -n "$namespace" ] && [ "$namespace" != 'pid:[4026531836]' ]; then
  container=yes
elif [ -e /.dockerenv ] || [ -e /run/.containerenv ] || [ -e /run/systemd/container ]; then
  [ "$(readlink /proc/1/ns/mnt)" = "$(readlink /proc/self/ns/mnt)" ] || container=yes
fi

system=unknown
like=
if [ -r /etc/os-release ]; then
  system=$(. /etc/os-release && printf %s "${ID:-unknown}" | tr -cd 'A-Za-z0-9_')
  like=$(. /etc/os-release && printf %s "${ID_LIKE:-}" | tr ' ' ,)
fi

python=no
if [ -n "$INTERPRETER" ]; then
  command -v "$INTERPRETER" >/dev/null && python=yes
elif command -v python3 >/dev/null || [ -x /usr/bin/python3 ] || [ -x /usr/libexec/platform-python ]; then
  python=yes
fi

traces=no
for path in "$PROBE" /var/lib/cipu-clock /var/lib/dkms/ptp_cipu /usr/src/ptp_cipu-* /etc/udev/rules.d/60-ptp_cipu.rules \
  /sys/module/ptp_cipu /etc/chrony/conf.d/cipu.conf /etc/chrony.d/cipu.conf /etc/systemd/system/chron*.service.d/cipu.conf; do
  [ ! -e "$path" ] || traces=yes
done

# Compare the files of the last rollout with its list, which has the format of sha256sum; "# absent PATH" names a file that must not
# exist. A record of the former state means that a rollout is unfinished.
stamp=differs
list=/var/lib/cipu-clock/rollout.sha256
if [ -n "$INPUTS" ] && [ -r "$list" ] && [ ! -e /var/lib/cipu-clock/before.json ] &&
  [ "$(head -n 1 "$list")" = "# inputs $INPUTS" ] &&
  sha256sum -c "$list" >/dev/null 2>&1; then
  stamp=same
  # The paths are the collection's own, without blanks.
  # shellcheck disable=SC2013
  for path in $(sed -n 's/^# absent //p' "$list"); do
    [ ! -e "$path" ] || stamp=differs
  done
fi
echo "cipu-probe functions=$functions container=$container system=$system like=$like python=$python traces=$traces stamp=$stamp inputs=$INPUTS"
