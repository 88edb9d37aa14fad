#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# newer_kernel.sh PACKAGE...: installs the newest kernel packages from backports, and copies the kernel to /boot, since Debian's
# newer packages keep it next to its modules. The last line of the output is the kernel's release.
set -eu
list=/etc/apt/sources.list.d/backports.list
trap 'rm -f "$list"' EXIT
sed -nE 's/^(deb .* )([a-z]+) main.*/\1\2-backports main/p; q' /etc/apt/sources.list >"$list"
# Update only this list: with all of Debian's lists each call of apt takes a minute under emulation.
apt-get -qq -o Dir::Etc::SourceList="$list" -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=false update
suite=$(sed -E 's/.* ([a-z]+-backports) main/\1/' "$list")
bring() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -t "$suite" "$@" >&2
}
# The images have shortened lists, which may lack dependencies of these packages. Then fetch the complete lists.
bring "$@" || { rm -rf /var/lib/apt/lists/* && apt-get -qq update && bring "$@"; }
release=$(ls -v /lib/modules | tail -n 1)
[ -e "/boot/vmlinuz-$release" ] || cp "/lib/modules/$release/vmlinuz" "/boot/vmlinuz-$release"
[ -e "/boot/initrd.img-$release" ] || update-initramfs -c -k "$release" >&2
echo "$release"
