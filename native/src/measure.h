/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures one clock, in a child process: a clock that blocks cannot hold the probe. */
#ifndef CLOCKPROBE_MEASURE_H
#define CLOCKPROBE_MEASURE_H

#include "child.h"
#include "probe.h"

/* Fills the samples, and status and reason where there are none; the estimate comes later. Takes
 * no longer than left_ns. */
void measure_collect(const char *root, const struct clock_info *clock,
		     const struct collect_params *params, int64_t left_ns, struct measurement *m);

void measure_fail(struct measurement *m, const char *reason);

/* Offset and bound from the samples. claimed_precision_ns: what the device says of itself. */
void measure_estimate(struct measurement *m, int64_t claimed_precision_ns);

/* "3 usable samples of 52 tried: EIO 12" */
void measure_reason_of_failures(const struct collected *c, char *reason, size_t size);
const char *measure_reason_of_end(enum child_end end);
void measure_reason_of_open_error(int number, const char *node, char *reason, size_t size);

/* How the estimate's status reads in a measurement, with the reason where it needs no counts. */
enum measurement_status measure_status(enum estimate_status status, const char **reason);

/* What a run of this budget may take, twice if it repeats; beyond it, a call hangs. */
int64_t measure_deadline_ns(int64_t budget_ns);

/* What every sample can be off by: the device's precision and the resolution of both clocks. */
int64_t measure_margin_ns(const struct collected *c, int64_t claimed_precision_ns);

#endif
