/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What two runs say together: frequency over a long baseline, and signs of a migration. */
#ifndef CLOCKPROBE_HISTORY_H
#define CLOCKPROBE_HISTORY_H

#include "probe.h"
#include "state.h"

/* Sharpens the frequencies of probe by what before tells, says what has jumped, and turns before
 * into what the next run needs. */
void history_apply(struct probe *probe, struct state *state);

#endif
