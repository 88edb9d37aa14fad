// SPDX-License-Identifier: GPL-3.0-or-later
#include "collect.h"

#include <errno.h>
#include <string.h>

#include "tick.h"

#define NS_PER_MS 1000000
#define RETRIES 4

/* Samples tried for each sample wanted. */
#define MOST_TRIES 4

#define RETRY_PAUSE_NS NS_PER_MS

/* A pair whose reads are this close is not tried again. */
#define PAIR_GOOD_NS 1000
#define PAIR_TRIES 3

/* A step must exceed the slew and the bounds of the pairs by this. */
#define STEP_MARGIN_NS 200

void collect_defaults(struct collect_params *params)
{
	*params = (struct collect_params){
		.clock = SYSCLOCK_REALTIME,
		.samples = 52,
		.samples_per_call = 4,
		.spacing_ns = 3 * NS_PER_MS,
		.budget_ns = 1500 * NS_PER_MS,
	};
}

bool collected_is_sane(const struct collected *c)
{
	return c->n_samples <= COLLECT_MAX_SAMPLES && c->n_errnos <= COLLECT_MAX_ERRNOS &&
	       c->system_tick_ns >= 0 && c->method >= PHC_METHOD_NONE &&
	       c->method <= PHC_METHOD_BASIC;
}

static void count_errno(struct collected *out, int number)
{
	for (unsigned i = 0; i < out->n_errnos; i++) {
		if (out->errnos[i].number == number) {
			out->errnos[i].count++;
			return;
		}
	}
	if (out->n_errnos < COLLECT_MAX_ERRNOS - 1)
		out->errnos[out->n_errnos++] = (struct errno_count){ number, 1 };
	else if (number)
		count_errno(out, 0);
	else
		out->errnos[out->n_errnos++] = (struct errno_count){ 0, 1 };
}

/* Returns the tightest of a few tries. Each is a hard bound; preemption only widens it. */
static struct raw_pair read_pair(const struct phc_io *io, enum sysclock clock)
{
	struct raw_pair best = { 0, 0, 0 };

	if (clock == SYSCLOCK_MONOTONIC_RAW) {
		best.raw_ns = io->now_ns(io->ctx, SYSCLOCK_MONOTONIC_RAW);
		return best;
	}
	for (unsigned i = 0; i < PAIR_TRIES; i++) {
		int64_t before = io->now_ns(io->ctx, SYSCLOCK_MONOTONIC_RAW);
		int64_t sys = io->now_ns(io->ctx, clock);
		int64_t after = io->now_ns(io->ctx, SYSCLOCK_MONOTONIC_RAW);

		if (i && after - before >= best.hi_ns - best.lo_ns)
			continue;
		/*
		 * All are computed from one counter, so its tick does not matter here: at the tick
		 * of the middle reading, MONOTONIC_RAW was between the outer ones. One nanosecond
		 * each way for rounding.
		 */
		best = (struct raw_pair){ before + (after - before) / 2, sys - after - 1,
					  sys - before + 1 };
		if (after - before <= PAIR_GOOD_NS)
			break;
	}
	return best;
}

#define TICK_READS 64

/*
 * Reads the system clocks' counter in a loop of varying length, so that the differences are not
 * all alike. All system clocks come from one counter; MONOTONIC_RAW is not slewed.
 */
static int64_t find_system_tick(const struct phc_io *io)
{
	int64_t differences_ns[TICK_READS];
	int64_t last_ns = io->now_ns(io->ctx, SYSCLOCK_MONOTONIC_RAW);

	for (unsigned i = 0; i < TICK_READS; i++) {
		int64_t now_ns;

		for (volatile unsigned spin = 0; spin < i; spin++)
			;
		now_ns = io->now_ns(io->ctx, SYSCLOCK_MONOTONIC_RAW);
		differences_ns[i] = now_ns - last_ns;
		last_ns = now_ns;
	}
	return tick_bound_ns(differences_ns, TICK_READS, TICK_ROUNDING_NS);
}

/* The most that a slew changes from the beginning of one pair to the end of the other. */
static int64_t most_slewed_ns(const struct raw_pair *a, const struct raw_pair *b, int64_t limit_ppb)
{
	int64_t widths_ns = a->hi_ns - a->lo_ns + b->hi_ns - b->lo_ns;
	double apart_ns = (double)(b->raw_ns - a->raw_ns) + (double)widths_ns / 2;

	return (int64_t)(apart_ns * (double)limit_ppb / 1e9) + 1;
}

bool raw_pairs_stepped(const struct raw_pair *a, const struct raw_pair *b, int64_t limit_ppb)
{
	int64_t allowed_ns = most_slewed_ns(a, b, limit_ppb) + STEP_MARGIN_NS;

	return b->lo_ns - a->hi_ns > allowed_ns || a->lo_ns - b->hi_ns > allowed_ns;
}

/* The state of one clock in one run. */
struct collector {
	const struct phc_io *io;
	const struct collect_params *params;
	struct collected *out;
	struct raw_pair last_pair;
	bool has_last_pair;
	unsigned tried; /* in this run */
	unsigned calls;
	int64_t budget_from_ns;
	bool finished;
};

/* Whether a retry is useless. */
static bool error_is_lasting(int err)
{
	switch (err) {
	case -EIO:
	case -EBUSY:
	case -EINTR:
	case -EAGAIN:
	case -ETIMEDOUT:
	case -ERANGE:
		return false;
	default:
		return true;
	}
}

static enum phc_method next_method(enum phc_method method)
{
	switch (method) {
	case PHC_METHOD_PRECISE:
		return PHC_METHOD_EXTENDED;
	case PHC_METHOD_EXTENDED:
		return PHC_METHOD_BASIC;
	default:
		return PHC_METHOD_NONE;
	}
}

static void note_limit(struct collector *c)
{
	int64_t limit_ppb = c->io->slew_limit_ppb(c->io->ctx);

	if (limit_ppb > c->out->slew_limit_ppb)
		c->out->slew_limit_ppb = limit_ppb;
}

static void note_pair(struct collector *c, const struct raw_pair *pair)
{
	if (c->has_last_pair && raw_pairs_stepped(&c->last_pair, pair, c->out->slew_limit_ppb))
		c->out->system_clock_stepped = true;
	c->last_pair = *pair;
	c->has_last_pair = true;
}

/*
 * Bounds of system clock - MONOTONIC_RAW everywhere between two pairs. In between the clock may
 * have been slewed one way and back, at no more than the limit.
 */
static void bound_between(const struct collector *c, const struct raw_pair *before,
			  const struct raw_pair *after, int64_t *lo_ns, int64_t *hi_ns)
{
	int64_t slack_ns = 0;

	if (c->params->clock != SYSCLOCK_MONOTONIC_RAW)
		slack_ns = most_slewed_ns(before, after, c->out->slew_limit_ppb);

	*lo_ns = (before->lo_ns < after->lo_ns ? before->lo_ns : after->lo_ns) - slack_ns;
	*hi_ns = (before->hi_ns > after->hi_ns ? before->hi_ns : after->hi_ns) + slack_ns;
}

static void keep_readings(struct collector *c, const struct phc_reading *readings, unsigned count,
			  const struct raw_pair *before, const struct raw_pair *after)
{
	struct collected *out = c->out;
	int64_t raw_lo_ns, raw_hi_ns;

	bound_between(c, before, after, &raw_lo_ns, &raw_hi_ns);
	c->calls++;
	for (unsigned i = 0; i < count && out->n_samples < COLLECT_MAX_SAMPLES; i++) {
		struct sample s = {
			.pre_ns = readings[i].pre_ns,
			.phc_ns = readings[i].phc_ns,
			.post_ns = readings[i].post_ns,
			.raw_lo_ns = raw_lo_ns,
			.raw_hi_ns = raw_hi_ns,
			.call = c->calls,
		};

		/* only a system clock that was set back does this */
		if (s.post_ns < s.pre_ns) {
			out->negative++;
			out->system_clock_stepped = true;
			continue;
		}
		if (readings[i].raw_ns)
			s.raw_lo_ns = s.raw_hi_ns = s.pre_ns - readings[i].raw_ns;
		out->samples[out->n_samples++] = s;
	}
}

/*
 * Falls back to the next method. Samples of two methods are not mixed: their errors differ. The
 * former method may have used up the time.
 */
static void fall_back(struct collector *c)
{
	struct collected *out = c->out;

	out->n_samples = 0;
	out->method = next_method(out->method);
	c->budget_from_ns = c->io->now_ns(c->io->ctx, SYSCLOCK_MONOTONIC_RAW);
}

/* What follows a call that failed after all its retries. */
static void call_failed(struct collector *c, int err)
{
	struct collected *out = c->out;
	bool has_next = next_method(out->method) != PHC_METHOD_NONE;

	/* a device may offer cross timestamps and never complete one */
	if (out->method == PHC_METHOD_PRECISE && out->n_samples < COLLECT_MIN_SAMPLES)
		fall_back(c);
	else if (!error_is_lasting(err))
		return;
	else if (has_next && !out->n_samples)
		fall_back(c);
	else
		/* a clock that is removed during the run returns ENODEV for every method */
		c->finished = true;
}

/* A precise call that timed out takes long, and the next method is there at once. */
static bool retry_is_due(const struct collected *out, int err)
{
	return !error_is_lasting(err) &&
	       !(err == -ETIMEDOUT && out->method == PHC_METHOD_PRECISE && !out->n_samples);
}

/* One call, with retries of errors that may pass. */
static void collect_call(struct collector *c)
{
	struct phc_reading readings[PTP_ABI_MAX_SAMPLES];
	struct collected *out = c->out;
	int err = 0;

	for (unsigned attempt = 0; attempt <= RETRIES; attempt++) {
		unsigned count = c->params->samples_per_call;
		struct raw_pair before, after;

		if (attempt)
			c->io->sleep_ns(c->io->ctx, RETRY_PAUSE_NS);
		before = read_pair(c->io, c->params->clock);
		note_pair(c, &before);
		err = phc_read(c->io, out->method, c->params->clock, count, readings);
		after = read_pair(c->io, c->params->clock);
		note_limit(c);
		note_pair(c, &after);
		out->tried += count;
		c->tried += count;
		if (!err) {
			out->own_reads += count;
			keep_readings(c, readings, count, &before, &after);
			return;
		}
		count_errno(out, -err);
		if (!error_is_lasting(err))
			/* the kernel stops at the first read that fails, so it was one at least */
			out->own_reads++;
		if (!retry_is_due(out, err))
			break;
	}
	call_failed(c, err);
}

static void collector_start(struct collector *c, const struct phc_io *io,
			    const struct collect_params *params, struct collected *out)
{
	*c = (struct collector){ .io = io, .params = params, .out = out };
	out->n_samples = 0;
	out->slew_limit_ppb = 0;
	out->system_clock_stepped = false;
	out->runs++;
	out->clock = params->clock;
	out->resolution_ns = io->resolution_ns(io->ctx, params->clock);
	out->system_tick_ns = find_system_tick(io);
	out->method = out->has_caps && out->caps.cross_timestamping ? PHC_METHOD_PRECISE :
								      PHC_METHOD_EXTENDED;
	note_limit(c);
	out->start_raw_ns = io->now_ns(io->ctx, SYSCLOCK_MONOTONIC_RAW);
	out->end_raw_ns = out->start_raw_ns;
	c->budget_from_ns = out->start_raw_ns;
}

/* A clock that mostly fails is given up. */
static bool collector_has_more(const struct collector *c)
{
	return !c->finished && c->out->n_samples < c->params->samples &&
	       c->tried < MOST_TRIES * c->params->samples &&
	       c->out->end_raw_ns - c->budget_from_ns <= c->params->budget_ns;
}

/* Whether another round is due. */
static bool run_round(struct collector *collectors, unsigned count)
{
	bool more = false;

	for (unsigned i = 0; i < count; i++) {
		struct collector *c = &collectors[i];

		if (!collector_has_more(c))
			continue;
		collect_call(c);
		c->out->end_raw_ns = c->io->now_ns(c->io->ctx, SYSCLOCK_MONOTONIC_RAW);
		more |= collector_has_more(c);
	}
	return more;
}

static void run_collectors(struct collector *collectors, unsigned count)
{
	const struct phc_io *io = collectors[0].io;
	unsigned rounds = 1;

	while (run_round(collectors, count) && rounds++ < COLLECT_MAX_ROUNDS)
		io->sleep_ns(io->ctx, collectors[0].params->spacing_ns);
}

static void read_caps(const struct phc_io *io, struct collected *out)
{
	memset(out, 0, sizeof(*out));
	out->has_caps = !phc_caps(io, &out->caps);
	out->has_adjustment = !io->adjustment_ppb(io->ctx, &out->adjustment_ppb);
}

void collect_run(const struct phc_io *io, const struct collect_params *params,
		 struct collected *out)
{
	struct collector c;

	read_caps(io, out);
	do {
		collector_start(&c, io, params, out);
		run_collectors(&c, 1);
	} while (out->system_clock_stepped && out->runs < 2);
}

void collect_pair(const struct phc_io *a, const struct phc_io *b,
		  const struct collect_params *params, struct collected *out_a,
		  struct collected *out_b)
{
	struct collector c[2];

	read_caps(a, out_a);
	read_caps(b, out_b);
	do {
		collector_start(&c[0], a, params, out_a);
		collector_start(&c[1], b, params, out_b);
		run_collectors(c, 2);
	} while ((out_a->system_clock_stepped || out_b->system_clock_stepped) && out_a->runs < 2);
}
