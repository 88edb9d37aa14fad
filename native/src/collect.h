/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Takes the samples of one clock: chooses the method, spreads small calls, retries, counts. */
#ifndef CLOCKPROBE_COLLECT_H
#define CLOCKPROBE_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "phc.h"

#define COLLECT_MAX_SAMPLES 1024
#define COLLECT_MAX_ROUNDS 512
#define COLLECT_MAX_ERRNOS 8

/* Fewer samples say too little about a clock. */
#define COLLECT_MIN_SAMPLES 8

struct collect_params {
	enum sysclock clock;
	unsigned samples;	   /* wanted */
	unsigned samples_per_call; /* the ioctl gives up at the first that fails: 3 to 5 */
	int64_t spacing_ns;	   /* between calls */
	int64_t budget_ns;	   /* no call begins later than this */
};

/*
 * Bounds of system clock - MONOTONIC_RAW at an instant. They make samples comparable that were
 * taken while the system clock was slewed.
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
	/* bounds of system clock - MONOTONIC_RAW during the sample's call */
	int64_t raw_lo_ns;
	int64_t raw_hi_ns;
	unsigned call;
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
	int64_t system_tick_ns; /* upper bound; 0 where it is not known */
	int64_t slew_limit_ppb; /* how fast the system clock may have been slewed */
	bool has_adjustment;
	double adjustment_ppb; /* of the PHC's frequency */
	int64_t start_raw_ns;
	int64_t end_raw_ns;
	unsigned tried;	    /* samples asked for */
	unsigned own_reads; /* least number of reads of the PHC that this run caused */
	unsigned negative;  /* samples dropped because post was before pre */
	bool system_clock_stepped;
	unsigned runs;
	unsigned n_errnos;
	struct errno_count errnos[COLLECT_MAX_ERRNOS]; /* number 0: errors that had no room */
	unsigned n_samples;
	struct sample samples[COLLECT_MAX_SAMPLES];
};

void collect_defaults(struct collect_params *params);

/* Reads the capabilities and takes one run. Repeats it once if the system clock was stepped. */
void collect_run(const struct phc_io *io, const struct collect_params *params,
		 struct collected *out);

/* The same for two clocks, call by call in turn, so that both are measured over the same time. */
void collect_pair(const struct phc_io *a, const struct phc_io *b,
		  const struct collect_params *params, struct collected *out_a,
		  struct collected *out_b);

/* False when counts are out of bounds, as a child that was killed may leave them. */
bool collected_is_sane(const struct collected *c);

/* Whether the system clock was stepped between the two, given a slew of up to limit_ppb. */
bool raw_pairs_stepped(const struct raw_pair *a, const struct raw_pair *b, int64_t limit_ppb);

#endif
