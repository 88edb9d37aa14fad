/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A PHC and a system clock in simulated time, with known truth. Each read of a clock costs time,
 * and sometimes much: that is preemption.
 */
#ifndef CLOCKPROBE_SIM_CLOCK_H
#define CLOCKPROBE_SIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "phc.h"

#define SIM_NEVER INT64_MAX

/* offset + drift from MONOTONIC_RAW, with one change of drift and one step. */
struct sim_track {
	int64_t offset_ns;
	double drift_ppb;
	int64_t turn_at_ns;
	double turned_drift_ppb;
	int64_t step_at_ns;
	int64_t step_ns;
};

struct sim_time {
	uint64_t random;
	int64_t raw_ns;
	int64_t call_ns;	 /* cost of reading a system clock */
	int64_t call_jitter_ns;	 /* added to it, uniformly */
	int64_t counter_tick_ns; /* step of the counter behind the system clocks */
	double preempt_chance;	 /* at each read of a clock */
	int64_t preempt_ns;
	struct sim_track real; /* CLOCK_REALTIME */
};

struct sim_phc {
	struct sim_time *time;
	struct sim_track track;
	int64_t tick_ns;	    /* step of what the PHC shows */
	int64_t noise_ns;	    /* either way */
	int64_t precise_jitter_ns;  /* of each time of a cross timestamp, either way */
	bool lacks_monoraw;	    /* in cross timestamps */
	int precise_errno;	    /* cross timestamps fail with it; 0: they work */
	int64_t precise_failure_ns; /* time that such a failure takes */
	double adjustment_ppb;
	int max_phase_adj;
	int64_t before_ns, after_ns; /* least latency on each side of the read */
	int64_t jitter_ns;	     /* added to each, uniformly */
	bool has_precise, has_extended, has_clockid;
	double failure_chance; /* of a call */
	int failure_errno;
	unsigned failures_left; /* that many calls fail for certain */
	unsigned calls;
};

void sim_time_init(struct sim_time *time, uint64_t seed);
void sim_phc_init(struct sim_phc *phc, struct sim_time *time);
void sim_phc_io(struct sim_phc *phc, struct phc_io *io);

/* Uniform in [0, 1), and in [lo, hi]. */
double sim_random(struct sim_time *time);
int64_t sim_between(struct sim_time *time, int64_t lo, int64_t hi);

/* The clock's time at an instant of MONOTONIC_RAW. */
double sim_track_at(const struct sim_track *track, int64_t raw_ns);

/* Does lo <= PHC - REALTIME <= hi hold at an instant at which REALTIME read real_ns? */
bool sim_truth_within(const struct sim_phc *phc, int64_t real_ns, int64_t lo_ns, int64_t hi_ns);

#endif
