/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds the step between two values that a clock can show. */
#ifndef CLOCKPROBE_TICK_H
#define CLOCKPROBE_TICK_H

#include <stdint.h>

/* What cutting to whole nanoseconds does to the difference of two differences. */
#define TICK_ROUNDING_NS 2

/*
 * Upper bound of the tick of a clock, in ns, from differences between readings of it; 0 where the
 * clock never moved. Sorts the differences.
 *
 * Readings are multiples of the tick T, each with a small error, so the difference of two
 * differences is a multiple within noise_ns. Two that differ by noise_ns or more differ by at
 * least one tick: the least such distance, plus noise_ns, bounds T.
 */
int64_t tick_bound_ns(int64_t *differences_ns, unsigned n, int64_t noise_ns);

#endif
