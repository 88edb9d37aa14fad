// SPDX-License-Identifier: GPL-3.0-or-later
#include "estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 10,000 ppm: more than any oscillator is off by. */
#define SLOPE_LIMIT 1e-2

/* Each step leaves two thirds: 5e-13 of the 2e-2 above, less than 1 ps over a second. */
#define SEARCH_STEPS 60

/* Tolerance of the search, so that lines that barely fit are found. */
#define SEARCH_SLACK_NS 1e-3

/* Clocks that move apart by more than a day within a run were set. */
#define SPREAD_LIMIT_NS 86400e9

/*
 * A sample as two constraints on the line L(t) = PHC - MONOTONIC_RAW less a base. The PHC showed p
 * at some t between pre and post, and t + L(t) grows with t, so L(pre) <= p - pre and
 * L(post) >= p - post. Times are counted from the reference.
 */
struct constraint {
	double pre_ns;
	double post_ns;
	double lo_ns;
	double hi_ns;
};

/* Sums of several times, before the base is subtracted. */
__extension__ typedef __int128 wide_ns;

struct constraints {
	int64_t base_ns;
	unsigned n;
	struct constraint at[COLLECT_MAX_SAMPLES];
};

static int64_t bracket_ns(const struct sample *s)
{
	return s->post_ns - s->pre_ns;
}

static int64_t middle_ns(const struct sample *s)
{
	return s->pre_ns + bracket_ns(s) / 2;
}

static int64_t sample_raw_ns(const struct sample *s)
{
	return middle_ns(s) - (s->raw_lo_ns + (s->raw_hi_ns - s->raw_lo_ns) / 2);
}

static int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Nearest rank. */
static int64_t quantile(const int64_t *sorted, unsigned n, unsigned percent)
{
	unsigned rank = (n * percent + 99) / 100;

	return sorted[rank ? rank - 1 : 0];
}

static void bracket_quantiles(const struct collected *c, struct quantiles *q)
{
	int64_t brackets[COLLECT_MAX_SAMPLES];

	for (unsigned i = 0; i < c->n_samples; i++)
		brackets[i] = bracket_ns(&c->samples[i]);
	qsort(brackets, c->n_samples, sizeof(brackets[0]), compare_i64);
	*q = (struct quantiles){
		.min_ns = brackets[0],
		.p50_ns = quantile(brackets, c->n_samples, 50),
		.p90_ns = quantile(brackets, c->n_samples, 90),
		.p99_ns = quantile(brackets, c->n_samples, 99),
		.max_ns = brackets[c->n_samples - 1],
	};
}

static const struct sample *least_bracket(const struct collected *c)
{
	const struct sample *least = &c->samples[0];

	for (unsigned i = 1; i < c->n_samples; i++) {
		if (bracket_ns(&c->samples[i]) < bracket_ns(least))
			least = &c->samples[i];
	}
	return least;
}

struct bracketed {
	int64_t bracket_ns;
	int64_t offset_ns;
};

static int compare_bracketed(const void *a, const void *b)
{
	return compare_i64(&((const struct bracketed *)a)->bracket_ns,
			   &((const struct bracketed *)b)->bracket_ns);
}

/*
 * The mean offset between the first and the second decile of the brackets, as in chrony: outliers
 * are below the first, preempted samples above the second.
 */
static int64_t narrow_mean(const struct collected *c)
{
	struct bracketed all[COLLECT_MAX_SAMPLES];
	unsigned first = c->n_samples / 10, last = c->n_samples / 5;
	int64_t base_ns = c->samples[0].phc_ns - middle_ns(&c->samples[0]);
	double sum = 0;

	for (unsigned i = 0; i < c->n_samples; i++) {
		const struct sample *s = &c->samples[i];

		all[i].bracket_ns = bracket_ns(s);
		all[i].offset_ns = s->phc_ns - middle_ns(s) - base_ns;
	}
	qsort(all, c->n_samples, sizeof(all[0]), compare_bracketed);
	for (unsigned i = first; i <= last; i++)
		sum += (double)all[i].offset_ns;
	return base_ns + llround(sum / (last - first + 1));
}

/*
 * pre and post are of the system clock. The bound of system clock - MONOTONIC_RAW makes them times
 * of MONOTONIC_RAW, even if the system clock was slewed in the meantime.
 */
static bool make_constraints(const struct collected *c, int64_t at_raw_ns, int64_t base_ns,
			     int64_t margin_ns, struct constraints *out)
{
	out->base_ns = base_ns;
	out->n = c->n_samples;
	for (unsigned i = 0; i < c->n_samples; i++) {
		const struct sample *s = &c->samples[i];
		struct constraint *k = &out->at[i];

		int64_t pre_raw_ns = s->pre_ns - s->raw_hi_ns;
		int64_t post_raw_ns = s->post_ns - s->raw_lo_ns;

		k->pre_ns = (double)(pre_raw_ns - at_raw_ns);
		k->post_ns = (double)(post_raw_ns - at_raw_ns);
		k->lo_ns = (double)((wide_ns)s->phc_ns - post_raw_ns - base_ns - margin_ns) -
			   SEARCH_SLACK_NS;
		k->hi_ns = (double)((wide_ns)s->phc_ns - pre_raw_ns - base_ns + margin_ns) +
			   SEARCH_SLACK_NS;
		if (fabs(k->lo_ns) > SPREAD_LIMIT_NS || fabs(k->hi_ns) > SPREAD_LIMIT_NS)
			return false;
	}
	return true;
}

/* Highest and lowest value at the reference that a line of this slope may take. */
static double highest(const struct constraints *k, double slope)
{
	double least = INFINITY;

	for (unsigned i = 0; i < k->n; i++) {
		double v = k->at[i].hi_ns - slope * k->at[i].pre_ns;

		if (v < least)
			least = v;
	}
	return least;
}

static double lowest(const struct constraints *k, double slope)
{
	double most = -INFINITY;

	for (unsigned i = 0; i < k->n; i++) {
		double v = k->at[i].lo_ns - slope * k->at[i].post_ns;

		if (v > most)
			most = v;
	}
	return most;
}

static double room(const struct constraints *k, double slope)
{
	return highest(k, slope) - lowest(k, slope);
}

static double negative_lowest(const struct constraints *k, double slope)
{
	return -lowest(k, slope);
}

/* All three are concave in the slope, so a ternary search finds the maximum. */
static double slope_of_maximum(const struct constraints *k, double from, double to,
			       double (*value)(const struct constraints *, double))
{
	for (unsigned i = 0; i < SEARCH_STEPS; i++) {
		double a = from + (to - from) / 3, b = to - (to - from) / 3;

		if (value(k, a) < value(k, b))
			from = a;
		else
			to = b;
	}
	return from + (to - from) / 2;
}

/* The slope between fits and outside at which room crosses zero, rounded outward. */
static double slope_limit(const struct constraints *k, double fits, double outside)
{
	if (room(k, outside) >= 0)
		return outside;
	for (unsigned i = 0; i < SEARCH_STEPS; i++) {
		double middle = fits + (outside - fits) / 2;

		if (room(k, middle) >= 0)
			fits = middle;
		else
			outside = middle;
	}
	return outside;
}

/* Values at the reference of all lines through all samples. False when there is no such line. */
static bool fit_lines(const struct constraints *k, struct raw_fit *fit)
{
	double best = slope_of_maximum(k, -SLOPE_LIMIT, SLOPE_LIMIT, room);
	double hi, lo;

	if (room(k, best) < 0)
		return false;
	fit->slope_lo = slope_limit(k, best, -SLOPE_LIMIT);
	fit->slope_hi = slope_limit(k, best, SLOPE_LIMIT);
	hi = highest(k, slope_of_maximum(k, fit->slope_lo, fit->slope_hi, highest));
	lo = lowest(k, slope_of_maximum(k, fit->slope_lo, fit->slope_hi, negative_lowest));
	fit->offset.lo_ns = k->base_ns + (int64_t)floor(lo);
	fit->offset.hi_ns = k->base_ns + (int64_t)ceil(hi);
	return true;
}

/* The intersection at at_raw_ns. False when the clocks did not run evenly. */
static bool intersect(const struct collected *c, int64_t at_raw_ns, int64_t margin_ns,
		      struct raw_fit *fit)
{
	const struct sample *first = &c->samples[0];
	struct constraints k;

	fit->at_raw_ns = at_raw_ns;
	return make_constraints(c, at_raw_ns, first->phc_ns - sample_raw_ns(first), margin_ns,
				&k) &&
	       fit_lines(&k, fit);
}

int64_t estimate_misfit_ns(const struct collected *c, int64_t margin_ns)
{
	const struct sample *first = &c->samples[0];
	int64_t first_raw_ns;
	struct constraints k;
	double gap_ns;

	if (!c->n_samples)
		return 0;
	first_raw_ns = sample_raw_ns(first);
	if (!make_constraints(c, first_raw_ns, first->phc_ns - first_raw_ns, margin_ns, &k))
		return INT64_MAX;
	gap_ns = -room(&k, slope_of_maximum(&k, -SLOPE_LIMIT, SLOPE_LIMIT, room));
	return gap_ns > 0 ? (int64_t)ceil(gap_ns / 2) : 0;
}

static enum estimate_status samples_status(const struct collected *c)
{
	if (c->system_clock_stepped)
		return ESTIMATE_STEPPED;
	return c->n_samples < COLLECT_MIN_SAMPLES ? ESTIMATE_FAILED : ESTIMATE_OK;
}

static double steepest(const struct raw_fit *fit)
{
	return fmax(fabs(fit->slope_lo), fabs(fit->slope_hi));
}

/* Half the bracket, plus what two clocks of different speed move apart in that half. */
static int64_t half_bracket(const struct sample *s, double relative_slope)
{
	return (int64_t)ceil((double)bracket_ns(s) / 2 * (1 + relative_slope) + 0.5);
}

/* Two bounds of one value at one instant: both hold, so their intersection does. */
static void clip(struct interval *interval, int64_t offset_ns, int64_t uncertainty_ns)
{
	if (interval->lo_ns < offset_ns - uncertainty_ns)
		interval->lo_ns = offset_ns - uncertainty_ns;
	if (interval->hi_ns > offset_ns + uncertainty_ns)
		interval->hi_ns = offset_ns + uncertainty_ns;
}

void estimate_offset(const struct collected *c, int64_t margin_ns, struct estimate *e)
{
	const struct sample *least;
	double half_width;

	memset(e, 0, sizeof(*e));
	e->status = samples_status(c);
	if (!c->n_samples)
		return;
	e->has_bracket = true;
	bracket_quantiles(c, &e->bracket);
	if (e->status != ESTIMATE_OK)
		return;

	least = least_bracket(c);
	if (!intersect(c, sample_raw_ns(least), margin_ns, &e->fit)) {
		e->status = ESTIMATE_INCONSISTENT;
		return;
	}
	e->at_sys_ns = middle_ns(least);
	e->least_bracket_ns = bracket_ns(least);
	e->offset_ns = least->phc_ns - e->at_sys_ns;
	e->uncertainty_ns = half_bracket(least,
					 steepest(&e->fit) + (double)c->slew_limit_ppb / 1e9) +
			    margin_ns;
	e->narrow_mean_ns = narrow_mean(c);
	e->interval.lo_ns = e->fit.offset.lo_ns - least->raw_hi_ns;
	e->interval.hi_ns = e->fit.offset.hi_ns - least->raw_lo_ns;
	clip(&e->interval, e->offset_ns, e->uncertainty_ns);

	half_width = (e->fit.slope_hi - e->fit.slope_lo) / 2;
	e->has_frequency = half_width < SLOPE_LIMIT;
	e->frequency_ppb = (e->fit.slope_lo + half_width) * 1e9;
	e->frequency_uncertainty_ppb = half_width * 1e9;
}

/* PHC - MONOTONIC_RAW by this sample alone, as middle and half width. */
static int64_t sample_offset_ns(const struct sample *s, double slope, int64_t *half_ns)
{
	int64_t pair_ns = s->raw_hi_ns - s->raw_lo_ns;

	*half_ns = half_bracket(s, slope) + pair_ns / 2 + 1;
	return s->phc_ns - sample_raw_ns(s);
}

/* Finds the pair of samples, one of each clock, with the least bound. */
static void best_pair(const struct collected *a, const struct collected *b, double slope,
		      struct difference *d)
{
	const struct sample *best_a = NULL;
	int64_t raw_a_ns = 0, raw_b_ns = 0;

	d->uncertainty_ns = INT64_MAX;
	for (unsigned i = 0; i < a->n_samples; i++) {
		int64_t half_a_ns;
		int64_t offset_a_ns = sample_offset_ns(&a->samples[i], slope, &half_a_ns);
		int64_t at_a_ns = sample_raw_ns(&a->samples[i]);

		for (unsigned j = 0; j < b->n_samples; j++) {
			int64_t half_b_ns;
			int64_t offset_b_ns = sample_offset_ns(&b->samples[j], slope, &half_b_ns);
			int64_t apart_ns = llabs(sample_raw_ns(&b->samples[j]) - at_a_ns);
			/* each clock is extrapolated to the middle between the two samples */
			int64_t bound_ns = half_a_ns + half_b_ns +
					   (int64_t)ceil((double)apart_ns * slope);

			if (bound_ns >= d->uncertainty_ns)
				continue;
			best_a = &a->samples[i];
			raw_a_ns = at_a_ns;
			raw_b_ns = sample_raw_ns(&b->samples[j]);
			d->uncertainty_ns = bound_ns;
			d->offset_ns = offset_a_ns - offset_b_ns;
		}
	}
	d->at_raw_ns = raw_a_ns + (raw_b_ns - raw_a_ns) / 2;
	d->at_sys_ns = middle_ns(best_a) + (d->at_raw_ns - raw_a_ns);
}

void estimate_difference(const struct collected *a, const struct collected *b, int64_t margin_a_ns,
			 int64_t margin_b_ns, struct difference *d)
{
	struct raw_fit fit_a, fit_b;

	memset(d, 0, sizeof(*d));
	d->status = samples_status(a);
	if (d->status == ESTIMATE_OK)
		d->status = samples_status(b);
	if (d->status != ESTIMATE_OK)
		return;
	d->at_raw_ns = sample_raw_ns(least_bracket(a));
	if (!intersect(a, d->at_raw_ns, margin_a_ns, &fit_a) ||
	    !intersect(b, d->at_raw_ns, margin_b_ns, &fit_b)) {
		d->status = ESTIMATE_INCONSISTENT;
		return;
	}
	best_pair(a, b, fmax(steepest(&fit_a), steepest(&fit_b)), d);
	d->uncertainty_ns += margin_a_ns + margin_b_ns;
	/* the same lines at the instant that best_pair chose */
	if (!intersect(a, d->at_raw_ns, margin_a_ns, &fit_a) ||
	    !intersect(b, d->at_raw_ns, margin_b_ns, &fit_b)) {
		d->status = ESTIMATE_INCONSISTENT;
		return;
	}
	d->interval.lo_ns = fit_a.offset.lo_ns - fit_b.offset.hi_ns;
	d->interval.hi_ns = fit_a.offset.hi_ns - fit_b.offset.lo_ns;
	clip(&d->interval, d->offset_ns, d->uncertainty_ns);
}
