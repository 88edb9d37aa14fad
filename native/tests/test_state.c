// SPDX-License-Identifier: GPL-3.0-or-later
/* The state file, and the frequency across runs. */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "state.h"
#include "tree.h"

#define NS_PER_S 1000000000LL

static void fill(struct state *s)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->boot_id, "6e38c97f-73c2-44f1-b92b-341addd61131");
	strcpy(s->clocksource, "tsc");
	s->has_marker = true;
	s->disruption_marker = 0xfeedfacecafebeef;
	s->n_clocks = 2;
	s->clocks[0] = (struct state_clock){ .index = 0, .registration = 1234 };
	s->clocks[1] = (struct state_clock){ .index = 7,
					     .registration = UINT64_MAX,
					     .has_frequency = true,
					     .frequency_ppt = -15000,
					     .frequency_uncertainty_ppt = 20 };
	for (unsigned p = 0; p < STATE_N_POINTS; p++) {
		s->clocks[0].points[p] = (struct state_point){ 5000 + p, -70, 70 };
		s->clocks[1].points[p] = (struct state_point){ INT64_MAX, -INT64_MAX,
							       INT64_MAX - p };
	}
}

static char *text_of(const struct state *s, size_t *length)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, length);

	state_write(file, s);
	(void)fclose(file);
	return text;
}

static void what_is_written_is_read(void **state)
{
	static struct state a, b;
	size_t length;
	char *text;

	(void)state;
	fill(&a);
	text = text_of(&a, &length);
	assert_true(state_parse(text, length, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	free(text);
}

/* Cut anywhere, or with any byte changed, it is damaged. */
static void any_damage_is_detected(void **state)
{
	static struct state a, b;
	size_t length;
	char *text;

	(void)state;
	fill(&a);
	text = text_of(&a, &length);
	for (size_t cut = 0; cut < length; cut++)
		assert_false(state_parse(text, cut, &b));
	for (size_t i = 0; i < length; i++) {
		text[i] ^= 1;
		assert_false(state_parse(text, length, &b));
		text[i] ^= 1;
	}
	free(text);
}

static void a_state_is_saved_and_damage_reported(void **state)
{
	static struct state a, b;
	struct tree tree;
	char path[TEXT_PATH_SIZE];

	(void)state;
	tree_make(&tree);
	text_copy(path, sizeof(path), tree_path(&tree, "/state"));
	fill(&a);
	assert_int_equal(state_load(path, &b), STATE_ABSENT);
	assert_int_equal(state_save(path, &a), 0);
	assert_int_equal(state_load(path, &b), STATE_LOADED);
	assert_memory_equal(&a, &b, sizeof(a));
	tree_file(&tree, "/state", "clockprobe-state 2\nend 0x0\n");
	assert_int_equal(state_load(path, &b), STATE_DAMAGED);
	assert_int_equal(b.n_clocks, 0);
	tree_fifo(&tree, "/fifo");
	assert_int_equal(state_load(tree_path(&tree, "/fifo"), &b), STATE_UNREADABLE);
	assert_true(state_save(tree_path(&tree, "/no/such/state"), &a) < 0);
	tree_remove(&tree);
}

static struct state *new_state(void)
{
	static struct state s;

	memset(&s, 0, sizeof(s));
	return &s;
}

/* A probe of one clock that was offset_ns from MONOTONIC_RAW, within 100 ns, at raw_ns. */
static struct probe *probe_at(int64_t raw_ns, int64_t offset_ns)
{
	static struct probed_clock clock;
	static struct probe probe;
	struct raw_fit *fit = &clock.measurement.estimate.fit;

	memset(&clock, 0, sizeof(clock));
	memset(&probe, 0, sizeof(probe));
	strcpy(probe.host.boot_id, "boot");
	strcpy(probe.host.clocksource, "tsc");
	probe.n_clocks = 1;
	probe.clocks = &clock;
	clock.info.registration = 99;
	clock.measurement.has_frequency = true;
	clock.measurement.frequency_uncertainty_ppb = 20000;
	fit->at_raw_ns = raw_ns;
	fit->offset.lo_ns = offset_ns - 100;
	fit->offset.hi_ns = offset_ns + 100;
	return &probe;
}

static const struct measurement *apply(struct state *s, int64_t raw_s, int64_t offset_ns)
{
	struct probe *p = probe_at(raw_s * NS_PER_S, offset_ns);

	history_apply(p, s);
	return &p->clocks[0].measurement;
}

static void a_long_baseline_sharpens_the_frequency(void **state)
{
	const struct measurement *m;
	struct state *s = new_state();

	(void)state;
	apply(s, 1000, 0);
	m = apply(s, 1100, 5000);
	assert_true(fabs(m->frequency_ppb - 50) < 1e-6);
	/* (100 ns + 100 ns) / 100 s */
	assert_true(fabs(m->frequency_uncertainty_ppb - 2) < 1e-6);
	assert_string_equal(m->reason, "");
	assert_true(s->clocks[0].has_frequency);
}

static void runs_in_quick_succession_keep_the_baseline(void **state)
{
	const struct measurement *m;
	struct state *s = new_state();

	(void)state;
	apply(s, 1000, 0);
	apply(s, 1030, 1500);
	m = apply(s, 1059, 2950);
	assert_true(fabs(m->frequency_ppb - 50) < 1e-6);
	assert_true(m->frequency_uncertainty_ppb < 3.5);
	assert_true(s->clocks[0].points[STATE_BASE].raw_ns == 1000 * NS_PER_S);
}

/* The exact mean of what two runs measured, at offsets that a double cannot represent. */
static void large_offsets_keep_their_last_digit(void **state)
{
	static const int64_t baselines_s[] = { 1, 5, 61, 3600, 20000 };

	(void)state;
	for (unsigned i = 0; i < N_OF(baselines_s); i++) {
		for (int64_t drift_ppb = -137; drift_ppb <= 137; drift_ppb++) {
			const int64_t offset_ns = 1700000000123456789 + drift_ppb;
			struct state *s = new_state();
			const struct measurement *m;

			apply(s, 1000, offset_ns);
			m = apply(s, 1000 + baselines_s[i], offset_ns + drift_ppb * baselines_s[i]);
			assert_true(fabs(m->frequency_ppb - (double)drift_ppb) < 1e-6);
			assert_true(fabs(m->frequency_uncertainty_ppb -
					 200 / (double)baselines_s[i]) < 1e-6);
			assert_true(m->frequency_baseline_ns == baselines_s[i] * NS_PER_S);
		}
	}
}

/* A run a minute for 30 hours: the baseline grows to 6 hours and stays between 6 and 12. */
static void the_baseline_grows_over_hours(void **state)
{
	const int64_t minute_ns = 60 * NS_PER_S, hour_ns = 60 * minute_ns;
	struct state *s = new_state();

	(void)state;
	apply(s, 1000, 0);
	for (int64_t minute = 1; minute <= 30 * 60; minute++) {
		const struct measurement *m = apply(s, 1000 + 60 * minute, 50 * 60 * minute);
		int64_t expected_ns = minute * minute_ns;

		if (expected_ns <= 12 * hour_ns - minute_ns) {
			assert_true(m->frequency_baseline_ns == expected_ns);
		} else {
			assert_true(m->frequency_baseline_ns >= 6 * hour_ns);
			assert_true(m->frequency_baseline_ns <= 12 * hour_ns);
		}
		assert_true(fabs(m->frequency_ppb - 50) < 1e-6);
		assert_string_equal(m->reason, "");
	}
}

/* A jump within a long baseline shows at once, and the mean begins there. */
static void a_jump_after_hours_is_reported(void **state)
{
	struct state *s = new_state();
	const struct measurement *m;

	(void)state;
	for (int64_t run = 0; run < 100; run++)
		apply(s, 1000 + 100 * run, 5000 * run);
	m = apply(s, 11000, 500000 + 500000);
	assert_non_null(strstr(m->reason, "the frequency changed by +5000 ppb"));
	m = apply(s, 11100, 1000000 + 505000);
	assert_true(m->frequency_baseline_ns == 100 * NS_PER_S);
	assert_true(fabs(m->frequency_ppb - 5050) < 1e-6);
}

static void hostile_points_do_no_harm(void **state)
{
	static const int64_t values[] = { 0, 1, -1, INT64_MAX, -INT64_MAX };

	(void)state;
	for (unsigned i = 0; i < N_OF(values) * N_OF(values); i++) {
		struct state *s = new_state();

		apply(s, 1000, 0);
		for (unsigned p = 0; p < STATE_N_POINTS; p++)
			s->clocks[0].points[p] = (struct state_point){ values[i % N_OF(values)],
								       -INT64_MAX,
								       values[i / N_OF(values)] };
		apply(s, 2000, 1700000000000000000);
		assert_int_equal(s->n_clocks, 1);
	}
}

static void another_boot_or_clock_starts_again(void **state)
{
	struct state *s = new_state();
	struct probe *p;

	(void)state;
	apply(s, 1000, 0);
	p = probe_at(1100 * NS_PER_S, 5000);
	p->clocks[0].info.registration = 100;
	history_apply(p, s);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
	p = probe_at(1200 * NS_PER_S, 5000);
	p->clocks[0].info.registration = 100;
	strcpy(p->host.clocksource, "hpet");
	history_apply(p, s);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
	p = probe_at(1300 * NS_PER_S, 5000);
	strcpy(p->host.boot_id, "another");
	history_apply(p, s);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
}

static void a_jump_of_frequency_is_reported(void **state)
{
	const struct measurement *m;
	struct state *s = new_state();

	(void)state;
	apply(s, 1000, 0);
	apply(s, 1100, 5000);
	m = apply(s, 1200, 5000 + 505000);
	assert_non_null(strstr(m->reason, "the frequency changed by +5000 ppb"));
	/* and it starts from there */
	m = apply(s, 1300, 510000 + 505000);
	assert_string_equal(m->reason, "");
}

static void a_clock_that_was_set_has_no_such_frequency(void **state)
{
	const struct measurement *m;
	struct state *s = new_state();

	(void)state;
	apply(s, 1000, 0);
	m = apply(s, 1100, NS_PER_S);
	assert_string_equal(m->reason, "the clock was set since the previous run");
	assert_true(m->frequency_uncertainty_ppb == 20000);
}

static void a_failed_run_keeps_the_points(void **state)
{
	struct state *s = new_state();
	struct probe *p;

	(void)state;
	apply(s, 1000, 0);
	p = probe_at(0, 0);
	p->clocks[0].measurement.status = MEASUREMENT_FAILED;
	history_apply(p, s);
	assert_int_equal(s->n_clocks, 1);
	assert_true(s->clocks[0].points[STATE_BASE].raw_ns == 1000 * NS_PER_S);
}

static void a_changed_marker_voids_the_points(void **state)
{
	struct state *s = new_state();
	struct probe *p = probe_at(1000 * NS_PER_S, 0);

	(void)state;
	p->vmclock.present = true;
	p->vmclock.disruption_marker = 1;
	history_apply(p, s);
	assert_false(p->marker_changed_known);
	p = probe_at(1100 * NS_PER_S, 5000);
	p->vmclock.present = true;
	p->vmclock.disruption_marker = 2;
	history_apply(p, s);
	assert_true(p->marker_changed_known);
	assert_true(p->marker_changed);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(any_damage_is_detected),
		cmocka_unit_test(a_state_is_saved_and_damage_reported),
		cmocka_unit_test(a_long_baseline_sharpens_the_frequency),
		cmocka_unit_test(runs_in_quick_succession_keep_the_baseline),
		cmocka_unit_test(large_offsets_keep_their_last_digit),
		cmocka_unit_test(the_baseline_grows_over_hours),
		cmocka_unit_test(a_jump_after_hours_is_reported),
		cmocka_unit_test(hostile_points_do_no_harm),
		cmocka_unit_test(another_boot_or_clock_starts_again),
		cmocka_unit_test(a_jump_of_frequency_is_reported),
		cmocka_unit_test(a_clock_that_was_set_has_no_such_frequency),
		cmocka_unit_test(a_failed_run_keeps_the_points),
		cmocka_unit_test(a_changed_marker_voids_the_points),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
