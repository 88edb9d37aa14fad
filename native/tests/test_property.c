// SPDX-License-Identifier: GPL-3.0-or-later
/* Properties that hold for all clocks, checked on many random ones. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "estimate.h"
#include "margin.h"
#include "sim/sim_clock.h"

#define DEFAULT_SEEDS 4000

static unsigned n_seeds(void)
{
	const char *text = getenv("PROPERTY_SEEDS");

	return text ? (unsigned)strtoul(text, NULL, 10) : DEFAULT_SEEDS;
}

/* Most clocks count nanoseconds; others tick in anything up to a few microseconds. */
static int64_t random_tick_ns(struct sim_time *time)
{
	static const int64_t common[] = { 8, 40, 100, 500, 1000 };
	double kind = sim_random(time);

	if (kind < 0.4)
		return 1;
	if (kind < 0.8)
		return common[sim_between(time, 0, N_OF(common) - 1)];
	return sim_between(time, 1, 3000);
}

static void random_host(struct sim_time *time, uint64_t seed)
{
	sim_time_init(time, seed);
	time->call_ns = sim_between(time, 2, 3000);
	time->call_jitter_ns = sim_between(time, 3, 100);
	time->counter_tick_ns = random_tick_ns(time);
	time->real.drift_ppb = (double)sim_between(time, -500000, 500000);
	if (sim_random(time) < 0.5)
		time->preempt_chance = sim_random(time) * 0.2;
	time->preempt_ns = sim_between(time, 1000, 8000000);
	if (sim_random(time) < 0.3) {
		time->real.turn_at_ns = time->raw_ns + sim_between(time, 0, 60000000);
		time->real.turned_drift_ppb = (double)sim_between(time, -500000, 500000);
	}
}

static void random_phc(struct sim_phc *phc, struct sim_time *time)
{
	sim_phc_init(phc, time);
	phc->track.offset_ns += sim_between(time, -2000000000, 2000000000);
	phc->track.drift_ppb = (double)sim_between(time, -200000, 200000);
	phc->tick_ns = random_tick_ns(time);
	/* different from each other: the bound must not depend on symmetry */
	phc->before_ns = sim_between(time, 0, 200000);
	phc->after_ns = sim_between(time, 0, 200000);
	phc->jitter_ns = sim_between(time, 0, 100000);
	phc->noise_ns = sim_between(time, 0, 100);
	phc->has_precise = sim_random(time) < 0.3;
	phc->precise_jitter_ns = sim_between(time, 0, 2);
	phc->lacks_monoraw = sim_random(time) < 0.2;
	if (sim_random(time) < 0.2)
		phc->precise_errno = sim_random(time) < 0.5 ? ETIMEDOUT : EBUSY;
	phc->has_extended = sim_random(time) < 0.8;
	phc->failure_errno = EIO;
	if (sim_random(time) < 0.3)
		phc->failure_chance = sim_random(time) * 0.5;
}

/* As in the program: the device claims its noise, all else must be found. */
static int64_t margin_of(const struct sim_phc *phc, const struct collected *c)
{
	return margin_ns(c, phc->noise_ns);
}

static void measure(struct sim_phc *phc, struct collected *c, struct estimate *e)
{
	struct collect_params params;
	struct phc_io io;

	collect_defaults(&params);
	sim_phc_io(phc, &io);
	collect_run(&io, &params, c);
	estimate_offset(c, margin_of(phc, c), e);
}

#define assert_seed(condition, seed) \
	do { \
		if (!(condition)) \
			fail_msg("seed %llu: %s", (unsigned long long)(seed), #condition); \
	} while (0)

static void check_even_clocks(uint64_t seed, double *width_sum, unsigned *n_ok)
{
	static struct collected c;
	struct sim_time time;
	struct sim_phc phc;
	struct estimate e;
	double slope;

	random_host(&time, seed);
	random_phc(&phc, &time);
	measure(&phc, &c, &e);
	assert_seed(e.status == ESTIMATE_OK || e.status == ESTIMATE_FAILED, seed);
	if (e.status == ESTIMATE_FAILED) {
		assert_seed(c.n_samples < COLLECT_MIN_SAMPLES, seed);
		return;
	}
	assert_seed(sim_truth_within(&phc, e.at_sys_ns, e.offset_ns - e.uncertainty_ns,
				     e.offset_ns + e.uncertainty_ns),
		    seed);
	assert_seed(sim_truth_within(&phc, e.at_sys_ns, e.interval.lo_ns, e.interval.hi_ns), seed);
	assert_seed(e.interval.hi_ns - e.interval.lo_ns <= 2 * e.uncertainty_ns, seed);
	slope = phc.track.drift_ppb;
	assert_seed(slope >= e.frequency_ppb - e.frequency_uncertainty_ppb - 0.01, seed);
	assert_seed(slope <= e.frequency_ppb + e.frequency_uncertainty_ppb + 0.01, seed);
	*width_sum += (double)(e.interval.hi_ns - e.interval.lo_ns) /
		      (2.0 * (double)e.uncertainty_ns);
	(*n_ok)++;
}

/* Offset, drift, noise, asymmetry, preemption, slew, failures, every method. */
static void truth_is_within_the_stated_bounds(void **state)
{
	unsigned ok = 0, seeds = n_seeds();
	double width_sum = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++)
		check_even_clocks(seed, &width_sum, &ok);
	print_message("%u of %u runs measured; the intersection is %.0f %% of the single bound\n",
		      ok, seeds, 100 * width_sum / ok);
	assert_true(ok > seeds * 8 / 10);
}

/* PHC stepped in the middle: never a wrong number. */
static void step_of_the_phc_is_seen_or_harmless(void **state)
{
	static struct collected c;
	unsigned inconsistent = 0, seeds = n_seeds();

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct sim_time time;
		struct sim_phc phc;
		struct estimate e;
		int64_t half_ns;

		random_host(&time, seed);
		random_phc(&phc, &time);
		phc.track.step_at_ns = time.raw_ns + sim_between(&time, 0, 60000000);
		phc.track.step_ns = sim_between(&time, -1000000, 1000000);
		measure(&phc, &c, &e);
		inconsistent += e.status == ESTIMATE_INCONSISTENT;
		if (e.status != ESTIMATE_OK)
			continue;
		/* true at one of the ends of the bracket if the step lies within */
		half_ns = e.least_bracket_ns / 2 + 1;
		assert_seed(sim_truth_within(&phc, e.at_sys_ns, e.offset_ns - e.uncertainty_ns,
					     e.offset_ns + e.uncertainty_ns) ||
				    sim_truth_within(&phc, e.at_sys_ns - half_ns,
						     e.offset_ns - e.uncertainty_ns - 1000,
						     e.offset_ns + e.uncertainty_ns + 1000) ||
				    sim_truth_within(&phc, e.at_sys_ns + half_ns,
						     e.offset_ns - e.uncertainty_ns - 1000,
						     e.offset_ns + e.uncertainty_ns + 1000),
			    seed);
	}
	print_message("%u of %u runs called inconsistent\n", inconsistent, seeds);
	assert_true(inconsistent > seeds / 10);
}

/* The system clock set in the middle: the run is thrown away, and the second one holds. */
static void step_of_the_system_clock_is_repeated(void **state)
{
	static struct collected c;
	unsigned repeated = 0, seeds = n_seeds();

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct sim_time time;
		struct sim_phc phc;
		struct estimate e;
		int64_t step_ns;

		random_host(&time, seed);
		random_phc(&phc, &time);
		time.preempt_chance = 0;
		step_ns = sim_between(&time, 20000, 2000000000);
		time.real.step_at_ns = time.raw_ns + sim_between(&time, 0, 60000000);
		time.real.step_ns = sim_random(&time) < 0.5 ? step_ns : -step_ns;
		measure(&phc, &c, &e);
		repeated += c.runs == 2;
		assert_seed(e.status == ESTIMATE_OK || e.status == ESTIMATE_FAILED, seed);
		if (e.status != ESTIMATE_OK)
			continue;
		assert_seed(sim_truth_within(&phc, e.at_sys_ns, e.offset_ns - e.uncertainty_ns,
					     e.offset_ns + e.uncertainty_ns),
			    seed);
		assert_seed(sim_truth_within(&phc, e.at_sys_ns, e.interval.lo_ns, e.interval.hi_ns),
			    seed);
	}
	print_message("%u of %u runs repeated\n", repeated, seeds);
	assert_true(repeated > seeds / 2);
}

static double truth_of_difference(const struct sim_phc *a, const struct sim_phc *b, int64_t raw_ns)
{
	return sim_track_at(&a->track, raw_ns) - sim_track_at(&b->track, raw_ns) +
	       (double)(a->track.offset_ns - b->track.offset_ns);
}

static void truth_of_two_clocks_is_within(void **state)
{
	static struct collected ca, cb;
	unsigned ok = 0, seeds = n_seeds();

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct collect_params params;
		struct phc_io io_a, io_b;
		struct sim_phc a, b;
		struct difference d;
		struct sim_time time;
		double truth;

		random_host(&time, seed);
		random_phc(&a, &time);
		random_phc(&b, &time);
		collect_defaults(&params);
		sim_phc_io(&a, &io_a);
		sim_phc_io(&b, &io_b);
		collect_pair(&io_a, &io_b, &params, &ca, &cb);
		estimate_difference(&ca, &cb, margin_of(&a, &ca), margin_of(&b, &cb), &d);
		assert_seed(d.status == ESTIMATE_OK || d.status == ESTIMATE_FAILED, seed);
		if (d.status != ESTIMATE_OK)
			continue;
		truth = truth_of_difference(&a, &b, d.at_raw_ns);
		assert_seed(truth >= (double)(d.offset_ns - d.uncertainty_ns), seed);
		assert_seed(truth <= (double)(d.offset_ns + d.uncertainty_ns), seed);
		assert_seed(truth >= (double)d.interval.lo_ns, seed);
		assert_seed(truth <= (double)d.interval.hi_ns, seed);
		ok++;
	}
	assert_true(ok > seeds * 7 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_is_within_the_stated_bounds),
		cmocka_unit_test(step_of_the_phc_is_seen_or_harmless),
		cmocka_unit_test(step_of_the_system_clock_is_repeated),
		cmocka_unit_test(truth_of_two_clocks_is_within),
	};

	return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
