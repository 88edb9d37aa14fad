// SPDX-License-Identifier: GPL-3.0-or-later
#include "history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define NS_PER_S 1000000000

/* Frequencies over less than this are not compared with each other. */
#define LAST_MIN_AGE_NS (60LL * NS_PER_S)

/*
 * The base is replaced by the next point when that is this old: the baseline grows to between one
 * and two of these. Longer ones say little about an oscillator that wanders.
 */
#define BASE_MIN_AGE_NS (6LL * 3600 * NS_PER_S)

/* 10,000 ppm: more than any oscillator. The clock was set. */
#define SET_LIMIT_PPB 1e7

/* Change that temperature and ageing cause in an oscillator between two runs. */
#define WANDER_PPB 1000.0

/* Differences of stored times, which may be anything. */
__extension__ typedef __int128 wide_ns;

static bool is_same_machine(const struct probe *probe, const struct state *state)
{
	if (strcmp(probe->host.boot_id, state->boot_id) || !*state->boot_id)
		return false;
	if (strcmp(probe->host.clocksource, state->clocksource))
		return false;
	return !probe->marker_changed_known || !probe->marker_changed;
}

static void compare_marker(struct probe *probe, const struct state *state)
{
	const struct vmclock *v = &probe->vmclock;

	/* after a reboot the same marker may belong to another history */
	probe->marker_changed_known = v->present && !v->problem && state->has_marker &&
				      *state->boot_id &&
				      !strcmp(probe->host.boot_id, state->boot_id);
	probe->marker_changed = probe->marker_changed_known &&
				v->disruption_marker != state->disruption_marker;
}

struct frequency {
	double ppb;
	double uncertainty_ppb;
};

/* Subtracted as integers: such times have more digits than a double. */
static double difference_ns(int64_t a_ns, int64_t b_ns)
{
	return (double)((wide_ns)a_ns - b_ns);
}

/* The mean frequency between two instants, from the bounds at either. */
static struct frequency across(const struct state_point *before, const struct state_point *now)
{
	double baseline_ns = difference_ns(now->raw_ns, before->raw_ns);
	double least_ns = difference_ns(now->lo_ns, before->hi_ns);
	double most_ns = difference_ns(now->hi_ns, before->lo_ns);

	return (struct frequency){
		.ppb = (least_ns + most_ns) / 2 / baseline_ns * 1e9,
		.uncertainty_ppb = (most_ns - least_ns) / 2 / baseline_ns * 1e9,
	};
}

/* Faster than any oscillator, or at odds with the frequency within this run. */
static bool was_set(const struct measurement *m, const struct frequency *f)
{
	if (fabs(f->ppb) - f->uncertainty_ppb > SET_LIMIT_PPB)
		return true;
	return m->has_frequency &&
	       fabs(f->ppb - m->frequency_ppb) >
		       f->uncertainty_ppb + m->frequency_uncertainty_ppb + WANDER_PPB;
}

static bool has_jumped(const struct state_clock *before, const struct frequency *f)
{
	double change_ppb = fabs(f->ppb - (double)before->frequency_ppt / 1e3);

	return before->has_frequency &&
	       change_ppb > WANDER_PPB + f->uncertainty_ppb +
				    (double)before->frequency_uncertainty_ppt / 1e3;
}

static struct state_clock first_points(const struct probed_clock *c)
{
	const struct raw_fit *fit = &c->measurement.estimate.fit;
	struct state_clock now = {
		.index = c->info.index,
		.registration = c->info.registration,
	};

	for (unsigned p = 0; p < STATE_N_POINTS; p++)
		now.points[p] = (struct state_point){
			.raw_ns = fit->at_raw_ns,
			.lo_ns = fit->offset.lo_ns,
			.hi_ns = fit->offset.hi_ns,
		};
	return now;
}

static void use_frequency(struct measurement *m, const struct frequency *f, int64_t baseline_ns)
{
	if (f->uncertainty_ppb >= SET_LIMIT_PPB ||
	    (m->has_frequency && m->frequency_uncertainty_ppb <= f->uncertainty_ppb))
		return;
	m->has_frequency = true;
	m->frequency_ppb = f->ppb;
	m->frequency_uncertainty_ppb = f->uncertainty_ppb;
	m->frequency_baseline_ns = baseline_ns;
}

static void move_last(struct state_clock *clock, const struct state_point *now,
		      const struct frequency *since_last)
{
	if (now->raw_ns - clock->points[STATE_LAST].raw_ns < LAST_MIN_AGE_NS)
		return;
	clock->points[STATE_LAST] = *now;
	clock->has_frequency = since_last->uncertainty_ppb < SET_LIMIT_PPB;
	if (!clock->has_frequency)
		return;
	clock->frequency_ppt = llround(since_last->ppb * 1e3);
	clock->frequency_uncertainty_ppt = llround(ceil(since_last->uncertainty_ppb * 1e3));
}

static void move_base(struct state_clock *clock, const struct state_point *now)
{
	struct state_point *base = &clock->points[STATE_BASE], *next = &clock->points[STATE_NEXT];

	/* the first point that is old enough to be far from the base */
	if (next->raw_ns == base->raw_ns && now->raw_ns - base->raw_ns >= BASE_MIN_AGE_NS)
		*next = *now;
	if (next->raw_ns != base->raw_ns && now->raw_ns - next->raw_ns >= BASE_MIN_AGE_NS) {
		*base = *next;
		*next = *now;
	}
}

/* The points that later runs measure against. */
static struct state_clock apply_points(struct measurement *m, const struct state_clock *before,
				       struct state_clock first)
{
	const struct state_point *base = &before->points[STATE_BASE];
	const struct state_point *now = &first.points[STATE_LAST];
	struct frequency since_base = across(base, now);
	struct frequency since_last = across(&before->points[STATE_LAST], now);
	struct state_clock after = *before;

	if (was_set(m, &since_last)) {
		text_copy(m->reason, sizeof(m->reason), "the clock was set since the previous run");
		return first;
	}
	if (has_jumped(before, &since_last)) {
		use_frequency(m, &since_last, now->raw_ns - before->points[STATE_LAST].raw_ns);
		snprintf(m->reason, sizeof(m->reason),
			 "the frequency changed by %+.0f ppb since the previous run: migrated?",
			 since_last.ppb - (double)before->frequency_ppt / 1e3);
		return first;
	}
	use_frequency(m, &since_base, now->raw_ns - base->raw_ns);
	move_last(&after, now, &since_last);
	move_base(&after, now);
	return after;
}

/* Whether the run is later than all points. A state of hostile origin may say otherwise. */
static bool is_later(const struct state_clock *now, const struct state_clock *old)
{
	for (unsigned p = 0; p < STATE_N_POINTS; p++) {
		if (old->points[p].raw_ns < 0 || now->points[0].raw_ns <= old->points[p].raw_ns)
			return false;
	}
	return true;
}

static void note_host(const struct probe *probe, struct state *state)
{
	text_copy(state->boot_id, sizeof(state->boot_id), probe->host.boot_id);
	text_copy(state->clocksource, sizeof(state->clocksource), probe->host.clocksource);
	state->has_marker = probe->vmclock.present && !probe->vmclock.problem;
	state->disruption_marker = probe->vmclock.disruption_marker;
}

void history_apply(struct probe *probe, struct state *state)
{
	struct state before = *state;
	bool is_same;

	compare_marker(probe, &before);
	is_same = is_same_machine(probe, &before);
	memset(state, 0, sizeof(*state));
	note_host(probe, state);
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		struct probed_clock *c = &probe->clocks[i];
		const struct state_clock *old = NULL;
		struct state_clock now;

		if (is_same)
			old = state_find(&before, c->info.index, c->info.registration);
		if (c->measurement.status == MEASUREMENT_OK) {
			now = first_points(c);
			if (old && is_later(&now, old))
				now = apply_points(&c->measurement, old, now);
		} else if (old) {
			/* a failed run does not discard the points of a good one */
			now = *old;
		} else {
			continue;
		}
		state->clocks[state->n_clocks++] = now;
	}
}
