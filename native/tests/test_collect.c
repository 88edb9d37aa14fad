// SPDX-License-Identifier: GPL-3.0-or-later
/* The choice of method, retries and counts, against a simulated clock. */
#include "unit.h"

#include <errno.h>

#include "collect.h"
#include "sim/sim_clock.h"
#include "slew.h"

struct bench {
	struct sim_time time;
	struct sim_phc phc;
	struct phc_io io;
	struct collect_params params;
	struct collected c;
};

static struct bench *bench(void)
{
	static struct bench b;

	sim_time_init(&b.time, 1);
	sim_phc_init(&b.phc, &b.time);
	sim_phc_io(&b.phc, &b.io);
	collect_defaults(&b.params);
	return &b;
}

static void run(struct bench *b)
{
	collect_run(&b->io, &b->params, &b->c);
}

static void extended_is_the_rule(void **state)
{
	struct bench *b = bench();

	(void)state;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_EXTENDED);
	assert_int_equal(b->c.n_samples, 52);
	assert_int_equal(b->c.tried, 52);
	assert_int_equal(b->c.own_reads, 52);
	assert_int_equal(b->c.n_errnos, 0);
	assert_int_equal(b->phc.calls, 13);
	/* twelve pauses of 3 ms */
	assert_in_range(b->c.end_raw_ns - b->c.start_raw_ns, 36000000, 38000000);
}

static void precise_is_taken_where_there_is_one(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.has_precise = true;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_PRECISE);
	assert_int_equal(b->c.n_samples, 52);
	assert_true(b->c.samples[0].pre_ns == b->c.samples[0].post_ns);
}

/* The clock has the capability and refuses the ioctl: ptp_kvm on another clocksource. */
static void precise_that_is_refused_falls_back(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.has_precise = true;
	b->phc.failure_errno = ENODEV;
	b->phc.failures_left = 1;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_EXTENDED);
	assert_int_equal(b->c.n_samples, 52);
	assert_int_equal(b->c.errnos[0].number, ENODEV);
}

/* An ioctl that is offered and always fails: once the retries are used up, or at once. */
static void precise_that_always_fails_falls_back(void **state)
{
	static const int errnos[] = { ETIMEDOUT, EIO, EBUSY, EAGAIN, EOPNOTSUPP, ENODEV };

	(void)state;
	for (unsigned i = 0; i < N_OF(errnos); i++) {
		for (int has_extended = 0; has_extended < 2; has_extended++) {
			struct bench *b = bench();

			b->phc.has_precise = true;
			b->phc.has_extended = has_extended;
			b->phc.precise_errno = errnos[i];
			run(b);
			assert_int_equal(b->c.method,
					 has_extended ? PHC_METHOD_EXTENDED : PHC_METHOD_BASIC);
			assert_int_equal(b->c.n_samples, 52);
			assert_int_equal(b->c.errnos[0].number, errnos[i]);
		}
	}
}

/* A failing call takes longer than the whole budget: the next method has one of its own. */
static void precise_that_is_slow_to_fail_leaves_time(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.has_precise = true;
	b->phc.precise_errno = ETIMEDOUT;
	b->phc.precise_failure_ns = 2000000000;
	run(b);
	assert_int_equal(b->c.errnos[0].count, 1);
	assert_int_equal(b->c.method, PHC_METHOD_EXTENDED);
	assert_int_equal(b->c.n_samples, 52);
}

static void a_cross_timestamp_without_monoraw_is_used(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.has_precise = true;
	b->phc.lacks_monoraw = true;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_PRECISE);
	assert_int_equal(b->c.n_samples, 52);
	/* system clock - MONOTONIC_RAW, from the pairs around the call */
	assert_true(b->c.samples[0].raw_lo_ns <= b->time.real.offset_ns);
	assert_true(b->c.samples[0].raw_hi_ns >= b->time.real.offset_ns);
	/* against MONOTONIC_RAW it says nothing */
	b->params.clock = SYSCLOCK_MONOTONIC_RAW;
	b->phc.has_clockid = true;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_EXTENDED);
	assert_int_equal(b->c.n_samples, 52);
}

static void ticks_of_the_system_counter_are_bounded(void **state)
{
	static const int64_t ticks_ns[] = { 1, 10, 40, 100, 279, 1000 };

	(void)state;
	for (unsigned i = 0; i < N_OF(ticks_ns); i++) {
		struct bench *b = bench();

		b->time.counter_tick_ns = ticks_ns[i];
		run(b);
		assert_in_range(b->c.system_tick_ns, ticks_ns[i], ticks_ns[i] + 12);
	}
}

static void the_adjustment_of_the_phc_is_reported(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.adjustment_ppb = -12.5;
	run(b);
	assert_true(b->c.has_adjustment && b->c.adjustment_ppb == -12.5);
}

static unsigned n_failed;

/* All errors that may pass, then one that lasts for each method. */
static int failing_ioctl(void *ctx, unsigned long request, void *argument)
{
	static const int errnos[] = { EIO, EBUSY, EINTR, EAGAIN, ETIMEDOUT, ERANGE, 201, 202 };

	(void)ctx;
	(void)argument;
	if (request == PTP_ABI_GETCAPS || n_failed == N_OF(errnos))
		return 0;
	return -errnos[n_failed++];
}

/* More errors than there is room for are counted together; none is lost. */
static void every_error_is_counted(void **state)
{
	struct bench *b = bench();
	unsigned total = 0;

	(void)state;
	b->io.ioctl = failing_ioctl;
	n_failed = 0;
	run(b);
	assert_int_equal(b->c.n_errnos, COLLECT_MAX_ERRNOS);
	assert_int_equal(b->c.errnos[COLLECT_MAX_ERRNOS - 1].number, 0);
	for (unsigned i = 0; i < b->c.n_errnos; i++)
		total += b->c.errnos[i].count;
	assert_int_equal(total, 8);
}

static void basic_is_the_last_resort(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.has_extended = false;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_BASIC);
	assert_int_equal(b->c.n_samples, 52);
	assert_int_equal(b->c.errnos[0].number, EOPNOTSUPP);
	assert_int_equal(b->c.errnos[0].count, 1);
}

/* One failure at the start must not cost the better method for the rest of the run. */
static void a_passing_failure_keeps_the_method(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.failure_errno = EBUSY;
	b->phc.failures_left = 3;
	run(b);
	assert_int_equal(b->c.method, PHC_METHOD_EXTENDED);
	assert_int_equal(b->c.n_samples, 52);
	assert_int_equal(b->c.tried, 64);
	assert_int_equal(b->c.own_reads, 55);
	assert_int_equal(b->c.n_errnos, 1);
	assert_int_equal(b->c.errnos[0].number, EBUSY);
	assert_int_equal(b->c.errnos[0].count, 3);
}

static void a_clock_that_only_fails_ends_in_bounded_time(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.failure_errno = EIO;
	b->phc.failure_chance = 1;
	run(b);
	assert_int_equal(b->c.n_samples, 0);
	assert_true(b->c.end_raw_ns - b->c.start_raw_ns < 100000000);
	assert_true(b->c.tried <= 4 * 52 + 20);
	assert_int_equal(b->c.errnos[0].number, EIO);
	assert_int_equal(b->c.tried, 4 * b->c.errnos[0].count);
}

static void a_clock_that_goes_away_ends_the_run(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.failure_errno = ENODEV;
	b->params.samples = 1000;
	run(b);
	b->phc.failure_chance = 1;
	run(b);
	assert_int_equal(b->c.n_samples, 0);
	/* each method once */
	assert_int_equal(b->c.errnos[0].count, 2);
}

static void another_clock_needs_a_kernel_that_takes_it(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->params.clock = SYSCLOCK_MONOTONIC_RAW;
	run(b);
	assert_int_equal(b->c.n_samples, 0);
	assert_int_equal(b->c.errnos[0].number, EINVAL);
	b->phc.has_clockid = true;
	run(b);
	assert_int_equal(b->c.n_samples, 52);
	assert_int_equal(b->c.method, PHC_METHOD_EXTENDED);
	assert_true(b->c.samples[0].raw_lo_ns == 0 && b->c.samples[0].raw_hi_ns == 0);
}

static void a_time_out_of_bounds_is_an_error(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->phc.track.offset_ns = -2000 * 1000000000LL;
	run(b);
	assert_int_equal(b->c.n_samples, 0);
	assert_int_equal(b->c.errnos[0].number, ERANGE);
}

static void a_step_of_the_system_clock_repeats_once(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->time.real.step_at_ns = b->time.raw_ns + 10000000;
	b->time.real.step_ns = 1000000;
	run(b);
	assert_int_equal(b->c.runs, 2);
	assert_false(b->c.system_clock_stepped);
	assert_int_equal(b->c.n_samples, 52);
}

static void a_slew_is_no_step(void **state)
{
	const struct raw_pair a = { 0, 100, 150 }, b = { 1000000, 640, 690 };

	(void)state;
	assert_false(raw_pairs_stepped(&a, &b, 500000));
	assert_true(raw_pairs_stepped(&a, &b, 1000));
	assert_true(raw_pairs_stepped(&b, &a, 1000));
}

/* The kernel's PLL with a time constant of 0 slews at a third of the offset it still reports. */
static int64_t pll_limit_ppb(void *ctx)
{
	const struct timex tx = { .tick = 10000, .status = STA_PLL | STA_NANO, .offset = 2100000 };

	(void)ctx;
	return slew_limit_ppb(&tx);
}

static void a_slew_by_the_pll_is_no_step(void **state)
{
	struct bench *b = bench();

	(void)state;
	b->time.real.drift_ppb = 700000;
	b->io.slew_limit_ppb = pll_limit_ppb;
	run(b);
	assert_int_equal(b->c.runs, 1);
	assert_false(b->c.system_clock_stepped);
	assert_int_equal(b->c.n_samples, 52);
}

static void names_of_clocks_go_both_ways(void **state)
{
	enum sysclock clock;

	(void)state;
	assert_true(sysclock_from_name("monotonic-raw", &clock));
	assert_string_equal(sysclock_name(clock), "monotonic-raw");
	assert_false(sysclock_from_name("tai", &clock));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extended_is_the_rule),
		cmocka_unit_test(precise_is_taken_where_there_is_one),
		cmocka_unit_test(precise_that_is_refused_falls_back),
		cmocka_unit_test(precise_that_always_fails_falls_back),
		cmocka_unit_test(precise_that_is_slow_to_fail_leaves_time),
		cmocka_unit_test(a_cross_timestamp_without_monoraw_is_used),
		cmocka_unit_test(ticks_of_the_system_counter_are_bounded),
		cmocka_unit_test(the_adjustment_of_the_phc_is_reported),
		cmocka_unit_test(every_error_is_counted),
		cmocka_unit_test(basic_is_the_last_resort),
		cmocka_unit_test(a_passing_failure_keeps_the_method),
		cmocka_unit_test(a_clock_that_only_fails_ends_in_bounded_time),
		cmocka_unit_test(a_clock_that_goes_away_ends_the_run),
		cmocka_unit_test(another_clock_needs_a_kernel_that_takes_it),
		cmocka_unit_test(a_time_out_of_bounds_is_an_error),
		cmocka_unit_test(a_step_of_the_system_clock_repeats_once),
		cmocka_unit_test(a_slew_is_no_step),
		cmocka_unit_test(a_slew_by_the_pll_is_no_step),
		cmocka_unit_test(names_of_clocks_go_both_ways),
	};

	return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
