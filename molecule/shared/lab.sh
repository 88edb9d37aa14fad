#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Dynamic inventory with the machines of a scenario's lab, empty before they are up. Each scenario has a link to it.
here=$(dirname "$(readlink -f "$0")")
"$here/../lab/lab" --lab "${CIPU_LAB%% *}" inventory --list 2>/dev/null || echo '{}'
