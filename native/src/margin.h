/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The error that each sample may have beside its bracket. */
#ifndef CLOCKPROBE_MARGIN_H
#define CLOCKPROBE_MARGIN_H

#include "collect.h"

/* Upper bound of the step between two values of the PHC; 0 where it is not known. */
int64_t margin_phc_tick_ns(const struct collected *c);

/* Claimed precision, ticks of both clocks, and the error of the method. */
int64_t margin_ns(const struct collected *c, int64_t claimed_precision_ns);

#endif
