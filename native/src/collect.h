/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Takes the samples of one clock: choice of method, small calls a few ms apart, retry, counts. */
#ifndef CLOCKPROBE_COLLECT_H
#define CLOCKPROBE_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "phc.h"

#define COLLECT_MAX_SAMPLES 1024
#define COLLECT_MAX_ROUNDS 512
#define COLLECT_MAX_ERRNOS 8

struct collect_params {
	enum sysclock clock;
	unsigned samples;          /* wanted */
	unsigned samples_per_call; /* the ioctl gives up at the first that fails: 3 to 5 */
	int64_t spacing_ns;        /* between calls */
	int64_t budget_ns;         /* begins no call after this */
};

/*
 * The system clock less MONOTONIC_RAW at an instant, as a bound: what makes samples taken while
 * the system clock is being turned comparable with each other.
 */
struct raw_pair {
	int64_t raw_ns;
	int64_t lo_ns;
	int64_t hi_ns;
};

struct sample {
	int64_t pre_ns;
	int64_t phc_ns;
	int64_t post_ns;
	/* system clock less MONOTONIC_RAW anywhere in the sample's call */
	int64_t raw_lo_ns;
	int64_t raw_hi_ns;
};

struct errno_count {
	int number;
	unsigned count;
};

struct collected {
	int open_error; /* errno, 0 when the clock could be opened */
	bool has_caps;
	struct ptp_abi_caps caps;
	enum phc_method method;
	enum sysclock clock;
	int64_t resolution_ns;
	int64_t slew_limit_ppb; /* how fast the system clock may have been turned */
	int64_t start_raw_ns;
	int64_t end_raw_ns;
	unsigned tried;     /* samples asked for */
	unsigned own_reads; /* reads of the PHC that were caused, at least */
	unsigned negative;  /* samples dropped because post was before pre */
	bool system_clock_stepped;
	unsigned runs;
	unsigned n_errnos;
	struct errno_count errnos[COLLECT_MAX_ERRNOS];
	unsigned n_samples;
	struct sample samples[COLLECT_MAX_SAMPLES];
};

void collect_defaults(struct collect_params *params);

/* Capabilities, and one run; a run in which the system clock was stepped is repeated once. */
void collect_run(const struct phc_io *io, const struct collect_params *params,
		 struct collected *out);

/* Two clocks in turn, call by call, so that both are measured over the same time. */
void collect_pair(const struct phc_io *a, const struct phc_io *b,
		  const struct collect_params *params, struct collected *out_a,
		  struct collected *out_b);

/* For collectors that live in another process: false when counts are out of bounds. */
bool collected_is_sane(const struct collected *c);

/* Was the system clock set between these two, allowing for a slew of limit_ppb? */
bool raw_pairs_stepped(const struct raw_pair *a, const struct raw_pair *b, int64_t limit_ppb);

#endif
