# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the files that give chronyd a refclock only while its device exists.

chronyd exits at its start if the device of a refclock is missing, and it never opens a device again
that was unplugged. So the refclocks are in a list that chronyd does not read. Before each start of
chronyd a script copies those whose device exists to a snippet under /run, which the drop-in reads.
When a PTP device appears or disappears, a udev rule starts a unit, which restarts chronyd if the
snippet would change.
"""

LIST = "/etc/cipu-clock/refclocks.conf"
SCRIPT = "/usr/local/lib/cipu-clock/chrony-refclock"
# AppArmor and SELinux let chronyd read this folder; chrony uses it for the sources of DHCP.
SNIPPET_FOLDER = "/run/chrony-dhcp"
SNIPPET = SNIPPET_FOLDER + "/cipu-refclock.conf"
REFUSED = "/run/cipu-refclock.refused"
UNIT = "cipu-refclock.service"
UNIT_PATH = "/etc/systemd/system/" + UNIT
RULE = "/etc/udev/rules.d/61-cipu-refclock.rules"
FORMER_SERVERS = "former-servers.conf"
FORMER_HEAD = "# NTP servers of the former time daemon, kept by cipu.clock.chrony_refclock.\n"
WRITTEN_BY = "# Written by cipu.clock.chrony_refclock; changes are overwritten.\n"

SCRIPT_TEXT = """#!/bin/sh
{written_by}#
# prepare   before chronyd starts: write the snippet with the refclocks whose device exists
# ended     after chronyd ended: if it could not use a refclock, start without it the next time
# update    after a PTP device appeared or disappeared: restart chronyd if the snippet would change
set -u
list={list}
snippet={snippet}
refused={refused}

# The refclocks whose device exists. The comment identifies the device node, so that a device that
# was unplugged and plugged in again counts as a change.
wanted() {{
  test -r "$list" || return 0
  while read -r directive driver device options; do
    test "$directive" = refclock || continue
    node=${{device%%:*}}
    test -c "$node" || continue
    echo "# $node is $(stat -L -c 'device %t:%T, inode %i' "$node")"
    echo "$directive $driver $device $options"
  done <"$list"
}}

prepare() {{
  text=$(wanted)
  if test -n "$text" && test -e "$refused" && test "$text" = "$(cat "$refused")"; then
    echo "chronyd could not use the refclock at its last start and starts without it" >&2
    text=""
  fi
  if test -z "$text"; then
    rm -f "$snippet"
    return
  fi
  mkdir -p "${{snippet%/*}}"
  echo "$text" >"$snippet.new" && mv -f "$snippet.new" "$snippet"
  if command -v restorecon >/dev/null; then restorecon "${{snippet%/*}}" "$snippet"; fi
}}

# systemd sets SERVICE_RESULT and INVOCATION_ID. Only a fatal error that names a PHC counts: an
# error elsewhere in the configuration must not remove the refclock.
ended() {{
  test "${{SERVICE_RESULT:-}}" = exit-code && test -e "$snippet" || return 0
  journalctl --sync
  if journalctl -q -o cat "_SYSTEMD_INVOCATION_ID=${{INVOCATION_ID:-none}}" |
      grep -q '/dev/.*ptp\\|PHC\\|PTP_'; then
    cp -f "$snippet" "$refused"
  fi
}}

update() {{
  have=$(cat "$snippet" 2>/dev/null)
  text=$(wanted)
  test "$text" != "$have" || return 0
  if test -e "$refused" && test "$text" = "$(cat "$refused")"; then return 0; fi
  echo "the available refclocks changed: restarting {service}.service if it runs"
  # After a failed start the refclock is left out, see above.
  systemctl try-restart {service}.service || systemctl start {service}.service
}}

case ${{1:-}} in
  prepare | ended | update) "$1" ;;
  *) echo "usage: $0 prepare|ended|update" >&2; exit 2 ;;
esac
"""

DROPIN_TEXT = """{written_by}[Unit]
StartLimitIntervalSec=0

[Service]
ExecStartPre=-+/bin/sh {script} prepare
ExecStopPost=-+/bin/sh {script} ended
Restart=on-failure
RestartSec=5
"""

UNIT_TEXT = """{written_by}[Unit]
Description=Add refclocks to chronyd or remove them when PTP devices appear or disappear
StartLimitIntervalSec=0

[Service]
Type=oneshot
# A later event stops the run of an earlier one.
SuccessExitStatus=SIGTERM
ExecStart=/bin/sh {script} update
"""

# `restart`, since a `start` would be lost while the unit runs for an earlier event.
RULE_TEXT = """{written_by}#
# Links that some distributions do not create. The number of /dev/ptp0 may change at each boot.
SUBSYSTEM!="ptp", GOTO="cipu_refclock_end"
ATTR{{clock_name}}=="KVM virtual PTP", SYMLINK+="ptp_kvm"
ATTR{{clock_name}}=="hyperv", SYMLINK+="ptp_hyperv"
ATTR{{clock_name}}=="ena-ptp-*", SYMLINK+="ptp_ena"
ATTR{{clock_name}}=="vmclock", SYMLINK+="ptp_vmclock"
RUN+="/bin/systemctl --no-block restart {unit}"
LABEL="cipu_refclock_end"
"""


def script(service, root="/"):
    return SCRIPT_TEXT.format(
        written_by=WRITTEN_BY,
        list=under(root, LIST),
        snippet=under(root, SNIPPET),
        refused=under(root, REFUSED),
        service=service,
    )


def under(root, path):
    return root.rstrip("/") + path


def dropin():
    return DROPIN_TEXT.format(written_by=WRITTEN_BY, script=SCRIPT)


def unit():
    return UNIT_TEXT.format(written_by=WRITTEN_BY, script=SCRIPT)


def rule():
    return RULE_TEXT.format(written_by=WRITTEN_BY, unit=UNIT)
