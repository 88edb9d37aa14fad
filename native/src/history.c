// SPDX-License-Identifier: GPL-3.0-or-later
#include "history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define NS_PER_S 1000000000

/* Runs closer together than this go on measuring against the older one. */
#define KEEP_BASELINE_NS (60LL * NS_PER_S)

/* No oscillator: a clock that was set. 10,000 ppm. */
#define SET_LIMIT_PPB 1e7

/* What temperature and ageing do to an oscillator between two runs. */
#define WANDER_PPB 1000.0

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

	/* after a reboot the same number may stand for another machine's history */
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

/* What moved between two instants, each known within bounds. */
static struct frequency across(const struct state_clock *before, const struct raw_fit *now)
{
	double baseline_ns = (double)(now->at_raw_ns - before->raw_ns);
	double least = (double)now->offset.lo_ns - (double)before->hi_ns;
	double most = (double)now->offset.hi_ns - (double)before->lo_ns;

	return (struct frequency){
		.ppb = (least + most) / 2 / baseline_ns * 1e9,
		.uncertainty_ppb = (most - least) / 2 / baseline_ns * 1e9,
	};
}

/* Faster than any oscillator, or not as fast as this very run shows: it did not just run on. */
static bool was_set(const struct measurement *m, const struct frequency *f)
{
	if (fabs(f->ppb) - f->uncertainty_ppb > SET_LIMIT_PPB)
		return true;
	return m->has_frequency && fabs(f->ppb - m->frequency_ppb) >
					   f->uncertainty_ppb + m->frequency_uncertainty_ppb +
						   WANDER_PPB;
}

static bool has_jumped(const struct state_clock *before, const struct frequency *f)
{
	double change_ppb = fabs(f->ppb - (double)before->frequency_ppt / 1e3);

	return before->has_frequency &&
	       change_ppb > WANDER_PPB + f->uncertainty_ppb +
				    (double)before->frequency_uncertainty_ppt / 1e3;
}

static struct state_clock point_of(const struct probed_clock *c)
{
	const struct raw_fit *fit = &c->measurement.estimate.fit;

	return (struct state_clock){
		.index = c->info.index,
		.registration = c->info.registration,
		.raw_ns = fit->at_raw_ns,
		.lo_ns = fit->offset.lo_ns,
		.hi_ns = fit->offset.hi_ns,
	};
}

static void use_frequency(struct measurement *m, const struct frequency *f)
{
	if (m->has_frequency && m->frequency_uncertainty_ppb <= f->uncertainty_ppb)
		return;
	m->has_frequency = true;
	m->frequency_ppb = f->ppb;
	m->frequency_uncertainty_ppb = f->uncertainty_ppb;
}

/* The point that the next run measures against. */
static struct state_clock apply_point(struct measurement *m, const struct state_clock *before,
				      struct state_clock now)
{
	struct frequency f = across(before, &m->estimate.fit);

	if (was_set(m, &f)) {
		text_copy(m->reason, sizeof(m->reason), "the clock was set since the run before");
		return now;
	}
	use_frequency(m, &f);
	if (has_jumped(before, &f)) {
		snprintf(m->reason, sizeof(m->reason),
			 "the frequency changed by %+.0f ppb since the run before: migrated?",
			 f.ppb - (double)before->frequency_ppt / 1e3);
		return now;
	}
	if (now.raw_ns - before->raw_ns < KEEP_BASELINE_NS)
		return *before;
	now.has_frequency = true;
	now.frequency_ppt = llround(f.ppb * 1e3);
	now.frequency_uncertainty_ppt = llround(ceil(f.uncertainty_ppb * 1e3));
	return now;
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
			now = point_of(c);
			if (old && now.raw_ns > old->raw_ns)
				now = apply_point(&c->measurement, old, now);
		} else if (old) {
			/* a failed run is no reason to forget the good one */
			now = *old;
		} else {
			continue;
		}
		state->clocks[state->n_clocks++] = now;
	}
}
