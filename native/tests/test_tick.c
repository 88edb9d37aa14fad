// SPDX-License-Identifier: GPL-3.0-or-later
/* Bounds of ticks, of the slew and of margins. */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "margin.h"
#include "slew.h"
#include "tick.h"

#define N_READINGS 48

/* Differences of readings of a clock with a tick that need not be whole nanoseconds. */
static int64_t bound_of(double tick_ns, unsigned seed)
{
	int64_t differences_ns[N_READINGS], last_ns = 0;
	double now_ns = 1e6;

	srand(seed);
	for (unsigned i = 0; i < N_READINGS; i++) {
		int64_t shown_ns;

		/* NOLINTNEXTLINE(cert-msc30-c,cert-msc50-cpp): a seed must give the same test */
		now_ns += 900 + rand() % 300;
		shown_ns = (int64_t)floor(floor(now_ns / tick_ns) * tick_ns);
		differences_ns[i] = i ? shown_ns - last_ns : 0;
		last_ns = shown_ns;
	}
	return tick_bound_ns(differences_ns, N_READINGS, TICK_ROUNDING_NS);
}

static void ticks_are_never_underestimated(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 2000; seed++) {
		double tick_ns = 1 + (double)(seed % 500) * 1.37;

		/* a bound of the tick that is not much larger */
		assert_true((double)bound_of(tick_ns, seed) >= tick_ns);
		assert_true((double)bound_of(tick_ns, seed) <= tick_ns + 8);
	}
	assert_in_range(bound_of(500, 1), 500, 502);
	assert_in_range(bound_of(1000, 1), 1000, 1002);
	assert_in_range(bound_of(41.67, 1), 42, 45);
}

static void a_clock_that_stands_still_has_no_tick(void **state)
{
	int64_t none[4] = { 0, 1, 0, 0 };

	(void)state;
	assert_true(tick_bound_ns(none, 4, 2) == 0);
	assert_true(tick_bound_ns(none, 0, 2) == 0);
}

/* Every difference alike says no more than that the tick is not larger. */
static void equal_differences_bound_the_tick(void **state)
{
	int64_t equal[4] = { 30, 30, 30, 30 };

	(void)state;
	assert_true(tick_bound_ns(equal, 4, 2) == 32);
}

static void a_coarse_tick_shows_between_calls(void **state)
{
	static struct collected c;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.n_samples = 8;
	for (unsigned i = 0; i < 8; i++) {
		c.samples[i].call = i / 4;
		c.samples[i].phc_ns = 1000000 * (int64_t)(i / 4);
	}
	assert_true(margin_phc_tick_ns(&c) == 1000002);
}

/* The kernel's arithmetic of a second: ntp_offset_chunk() and second_overflow(). */
static void the_limit_covers_the_pll_of_the_kernel(void **state)
{
	(void)state;
	for (long constant = 0; constant <= 10; constant++) {
		double offset_ns = 400e6;

		for (unsigned second = 0; second < 30; second++) {
			double slew_ppb = offset_ns / pow(2, 2 + (double)constant);
			struct timex tx = { .tick = 10000,
					    .constant = constant,
					    .status = STA_PLL | STA_NANO };

			/* before the share of this second was taken off, and after */
			tx.offset = (long)offset_ns;
			assert_true((double)slew_limit_ppb(&tx) >= slew_ppb);
			offset_ns -= slew_ppb;
			tx.offset = (long)offset_ns;
			assert_true((double)slew_limit_ppb(&tx) >= slew_ppb);
			/* in microseconds, and without STA_PLL: the offset is applied anyway */
			tx.status = 0;
			tx.offset = (long)ceil(offset_ns / 1000);
			assert_true((double)slew_limit_ppb(&tx) >= slew_ppb);
		}
	}
}

static void the_limit_adds_all_that_slews(void **state)
{
	struct timex tx = { .tick = 10000 };

	(void)state;
	assert_in_range(slew_limit_ppb(&tx), SLEW_DEFAULT_PPB, SLEW_DEFAULT_PPB + 1);
	/* 700 ppm from the PLL alone */
	tx.status = STA_NANO;
	tx.offset = -2100000;
	assert_in_range(slew_limit_ppb(&tx), 1300000, 1300001);
	tx.offset = 0;
	tx.freq = 100 * 65536;
	assert_in_range(slew_limit_ppb(&tx), 700000, 700001);
	tx.tick = 9000;
	assert_in_range(slew_limit_ppb(&tx), 100700000, 100700001);
	tx.status = STA_PPSTIME | STA_PPSSIGNAL;
	assert_true(slew_limit_ppb(&tx) >= 500000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_never_underestimated),
		cmocka_unit_test(a_clock_that_stands_still_has_no_tick),
		cmocka_unit_test(equal_differences_bound_the_tick),
		cmocka_unit_test(a_coarse_tick_shows_between_calls),
		cmocka_unit_test(the_limit_covers_the_pll_of_the_kernel),
		cmocka_unit_test(the_limit_adds_all_that_slews),
	};

	return cmocka_run_group_tests_name("tick", tests, NULL, NULL);
}
