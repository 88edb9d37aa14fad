/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures the offset between two clocks of this host. */
#ifndef CLOCKPROBE_COMPARE_H
#define CLOCKPROBE_COMPARE_H

#include "estimate.h"
#include "probe.h"

struct comparison {
	struct probe_host host;
	struct clock_info info[2];
	enum measurement_status status;
	char reason[PROBE_REASON_SIZE];
	struct collected collected[2];
	struct difference difference; /* first less second; only with MEASUREMENT_OK */
};

/* Returns 0; -ENOENT with a sentence in reason when a clock cannot be found; -ENOMEM. */
int compare_run(const struct probe_options *options, const char *const names[2],
		struct comparison *comparison);

#endif
