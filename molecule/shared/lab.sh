#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The machines of a scenario's lab as a dynamic inventory; before they are up, none. Linked from each scenario.
here=$(dirname "$(readlink -f "$0")")
"$here/../lab/lab" --lab "${CIPU_LAB%% *}" inventory --list 2>/dev/null || echo '{}'
