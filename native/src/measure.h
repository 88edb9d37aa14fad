/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures one clock in a child process, so that a clock that blocks does not block the program. */
#ifndef CLOCKPROBE_MEASURE_H
#define CLOCKPROBE_MEASURE_H

#include "child.h"
#include "probe.h"

/*
 * Takes the samples within left_ns; sets status and reason where there are none. Returns false
 * when the clock did not answer in time.
 */
bool measure_collect(const char *root, const struct clock_info *clock,
		     const struct collect_params *params, int64_t left_ns, struct measurement *m);

void measure_fail(struct measurement *m, const char *reason);

/* Computes offset and bound from the samples. cipu is NULL for other clocks. */
void measure_estimate(struct measurement *m, const struct cipu *cipu);

/* "3 usable samples of 52 tried: EIO 12" */
void measure_reason_of_failures(const struct collected *c, char *reason, size_t size);
const char *measure_reason_of_end(enum child_end end);
void measure_reason_of_open_error(int number, const char *node, char *reason, size_t size);

/* The measurement's status for that of an estimate, and the reason where it needs no counts. */
enum measurement_status measure_status(enum estimate_status status, const char **reason);

/* The longest that a run may take, repeated or not; a clock that takes longer hangs. */
int64_t measure_deadline_ns(int64_t budget_ns);

/* The time that a run takes on a clock that answers at once, with a generous reserve. */
int64_t measure_least_deadline_ns(const struct collect_params *params);

#endif
