// SPDX-License-Identifier: GPL-3.0-or-later
/* The estimator on samples computed by hand. */
#include "unit.h"

#include <string.h>

#include "estimate.h"

#define EPOCH_NS 1700000000000000000
#define MARGIN_NS 10

/* n samples of a PHC that is 5,000 ns ahead, read in the middle of brackets of 1,000 ns. */
static struct collected *even_samples(unsigned n)
{
	static struct collected c;

	memset(&c, 0, sizeof(c));
	c.n_samples = n;
	for (unsigned i = 0; i < n; i++) {
		struct sample *s = &c.samples[i];

		s->pre_ns = EPOCH_NS + 1000000 * (int64_t)i;
		s->post_ns = s->pre_ns + 1000;
		s->phc_ns = s->pre_ns + 500 + 5000;
		s->raw_lo_ns = s->raw_hi_ns = EPOCH_NS - 1000000000;
	}
	return &c;
}

static void even_samples_give_the_plain_answer(void **state)
{
	struct estimate e;

	(void)state;
	estimate_offset(even_samples(50), MARGIN_NS, &e);
	assert_int_equal(e.status, ESTIMATE_OK);
	assert_true(e.offset_ns == 5000);
	assert_in_range(e.uncertainty_ns, 510, 512);
	assert_true(e.narrow_mean_ns == 5000);
	assert_true(e.bracket.min_ns == 1000 && e.bracket.max_ns == 1000);
	assert_true(e.interval.lo_ns <= 5000 && e.interval.hi_ns >= 5000);
	assert_true(e.frequency_ppb - e.frequency_uncertainty_ppb < 0);
	assert_true(e.frequency_ppb + e.frequency_uncertainty_ppb > 0);
}

/* Read at the beginning of one bracket and at the end of another: both bounds bite. */
static void asymmetry_narrows_the_intersection(void **state)
{
	struct collected *c = even_samples(50);
	struct estimate e;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		c->samples[i].phc_ns += i % 2 ? 500 : -500;
	estimate_offset(c, 0, &e);
	assert_int_equal(e.status, ESTIMATE_OK);
	/* PHC - system is 5,000 exactly: one kind says at most, the other at least */
	assert_true(e.interval.hi_ns - e.interval.lo_ns <= 4);
	assert_true(e.interval.lo_ns <= 5000 && e.interval.hi_ns >= 5000);
}

static void the_narrowest_bracket_decides(void **state)
{
	struct collected *c = even_samples(50);
	struct estimate e;

	(void)state;
	c->samples[20].pre_ns += 400;
	c->samples[20].post_ns -= 400;
	estimate_offset(c, MARGIN_NS, &e);
	assert_true(e.least_bracket_ns == 200);
	assert_in_range(e.uncertainty_ns, 110, 112);
	assert_true(e.at_sys_ns == EPOCH_NS + 20000000 + 500);
}

static void quantiles_are_ranks(void **state)
{
	struct collected *c = even_samples(100);
	struct estimate e;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		c->samples[i].pre_ns -= 10 * (int64_t)i;
		c->samples[i].post_ns += 10 * (int64_t)i;
	}
	estimate_offset(c, 0, &e);
	assert_true(e.bracket.min_ns == 1000);
	assert_true(e.bracket.p50_ns == 1000 + 20 * 49);
	assert_true(e.bracket.p90_ns == 1000 + 20 * 89);
	assert_true(e.bracket.p99_ns == 1000 + 20 * 98);
	assert_true(e.bracket.max_ns == 1000 + 20 * 99);
}

static void drift_is_no_contradiction(void **state)
{
	struct collected *c = even_samples(50);
	struct estimate e;

	(void)state;
	/* 100 ppm: 5 us over the run, five brackets */
	for (unsigned i = 0; i < 50; i++)
		c->samples[i].phc_ns += 100 * (int64_t)i;
	estimate_offset(c, 0, &e);
	assert_int_equal(e.status, ESTIMATE_OK);
	assert_true(e.frequency_ppb - e.frequency_uncertainty_ppb <= 100000);
	assert_true(e.frequency_ppb + e.frequency_uncertainty_ppb >= 100000);
	assert_true(e.frequency_uncertainty_ppb < 40000);
}

static void a_step_of_the_phc_is_a_contradiction(void **state)
{
	struct collected *c = even_samples(50);
	struct estimate e;

	(void)state;
	for (unsigned i = 25; i < 50; i++)
		c->samples[i].phc_ns += 1000000;
	estimate_offset(c, 0, &e);
	assert_int_equal(e.status, ESTIMATE_INCONSISTENT);
	assert_true(e.has_bracket);
	assert_true(e.offset_ns == 0);
}

static void a_clock_far_off_or_wild_does_not_overflow(void **state)
{
	struct collected *c = even_samples(50);
	struct estimate e;

	(void)state;
	c->samples[3].phc_ns = INT64_MAX / 2 - 1000000000;
	c->samples[4].phc_ns = 0;
	estimate_offset(c, UINT32_MAX, &e);
	assert_int_equal(e.status, ESTIMATE_INCONSISTENT);
}

static void too_few_samples_are_no_measurement(void **state)
{
	struct estimate e;

	(void)state;
	estimate_offset(even_samples(COLLECT_MIN_SAMPLES - 1), 0, &e);
	assert_int_equal(e.status, ESTIMATE_FAILED);
	estimate_offset(even_samples(0), 0, &e);
	assert_int_equal(e.status, ESTIMATE_FAILED);
	assert_false(e.has_bracket);
}

static void a_stepped_system_clock_gives_no_number(void **state)
{
	struct collected *c = even_samples(50);
	struct estimate e;

	(void)state;
	c->system_clock_stepped = true;
	estimate_offset(c, 0, &e);
	assert_int_equal(e.status, ESTIMATE_STEPPED);
	assert_true(e.offset_ns == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_samples_give_the_plain_answer),
		cmocka_unit_test(asymmetry_narrows_the_intersection),
		cmocka_unit_test(the_narrowest_bracket_decides),
		cmocka_unit_test(quantiles_are_ranks),
		cmocka_unit_test(drift_is_no_contradiction),
		cmocka_unit_test(a_step_of_the_phc_is_a_contradiction),
		cmocka_unit_test(a_clock_far_off_or_wild_does_not_overflow),
		cmocka_unit_test(too_few_samples_are_no_measurement),
		cmocka_unit_test(a_stepped_system_clock_gives_no_number),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
