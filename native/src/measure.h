/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures one clock, in a child process: a clock that blocks cannot hold the probe. */
#ifndef CLOCKPROBE_MEASURE_H
#define CLOCKPROBE_MEASURE_H

#include "probe.h"

/* Fills the samples, and status and reason where there are none; the estimate comes later. */
void measure_collect(const char *root, const struct clock_info *clock,
		     const struct collect_params *params, struct measurement *m);

/* Offset and bound from the samples. claimed_precision_ns: what the device says of itself. */
void measure_estimate(struct measurement *m, int64_t claimed_precision_ns);

/* What every sample can be off by: the device's precision and the resolution of both clocks. */
int64_t measure_margin_ns(const struct collected *c, int64_t claimed_precision_ns);

#endif
