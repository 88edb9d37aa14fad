/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Computes an offset and its bound from samples. Opens no clock and no file. */
#ifndef CLOCKPROBE_ESTIMATE_H
#define CLOCKPROBE_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "collect.h"

enum estimate_status {
	ESTIMATE_OK,
	ESTIMATE_INCONSISTENT, /* no straight line passes through all samples */
	ESTIMATE_STEPPED,      /* the system clock was set, twice in a row */
	ESTIMATE_FAILED,       /* too few samples */
};

struct quantiles {
	int64_t min_ns;
	int64_t p50_ns;
	int64_t p90_ns;
	int64_t p99_ns;
	int64_t max_ns;
};

struct interval {
	int64_t lo_ns;
	int64_t hi_ns;
};

/*
 * Bounds of PHC - MONOTONIC_RAW at the reference instant, and of its slope, provided that both
 * clocks ran evenly: the intersection of all samples, corrected for drift.
 */
struct raw_fit {
	int64_t at_raw_ns;
	struct interval offset;
	double slope_lo;
	double slope_hi;
};

struct estimate {
	enum estimate_status status;
	bool has_bracket;
	struct quantiles bracket;
	/* the rest only with ESTIMATE_OK */
	int64_t at_sys_ns; /* time of the system clock to which offset and interval belong */
	int64_t offset_ns; /* PHC less system clock, from the sample with the least bracket */
	int64_t uncertainty_ns;
	int64_t least_bracket_ns;
	int64_t narrow_mean_ns;
	struct interval interval;
	bool has_frequency;
	double frequency_ppb; /* against MONOTONIC_RAW */
	double frequency_uncertainty_ppb;
	struct raw_fit fit;
};

/* margin_ns: the error that each sample may have beside its bracket; see margin.h. */
void estimate_offset(const struct collected *c, int64_t margin_ns, struct estimate *e);

/*
 * By how much margin_ns is too small for a straight line through all samples: 0 where one passes,
 * INT64_MAX where the samples are too far apart for any.
 */
int64_t estimate_misfit_ns(const struct collected *c, int64_t margin_ns);

/* Offset of clock a less clock b, both measured over the same time. */
struct difference {
	enum estimate_status status;
	int64_t at_raw_ns;
	int64_t at_sys_ns;
	int64_t offset_ns; /* from two neighbouring samples with little bracket */
	int64_t uncertainty_ns;
	struct interval interval; /* from the intersections of both */
};

void estimate_difference(const struct collected *a, const struct collected *b, int64_t margin_a_ns,
			 int64_t margin_b_ns, struct difference *d);

#endif
