/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Combines a run with previous ones: frequency over a long baseline, and signs of a migration. */
#ifndef CLOCKPROBE_HISTORY_H
#define CLOCKPROBE_HISTORY_H

#include "probe.h"
#include "state.h"

/* Sets frequencies and reasons of probe from the state, and updates the state for the next run. */
void history_apply(struct probe *probe, struct state *state);

#endif
