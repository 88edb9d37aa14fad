#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's machines as a dynamic inventory; before they are up, none.
here=$(dirname "$(readlink -f "$0")")
exec "$here/../../lab/lab" --lab "${CIPU_LAB:-molecule-default}" inventory --list
