// SPDX-License-Identifier: GPL-3.0-or-later
/* The state file, and what two runs say together. */
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
	s->clocks[0] = (struct state_clock){ .index = 0, .registration = 1234, .raw_ns = 5000,
					     .lo_ns = -70, .hi_ns = 70 };
	s->clocks[1] = (struct state_clock){ .index = 7, .registration = UINT64_MAX,
					     .raw_ns = INT64_MAX, .lo_ns = -INT64_MAX,
					     .hi_ns = INT64_MAX, .has_frequency = true,
					     .frequency_ppt = -15000,
					     .frequency_uncertainty_ppt = 20 };
}

static char *text_of(const struct state *s, size_t *length)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, length);

	state_write(file, s);
	fclose(file);
	return text;
}

static void what_is_written_is_read(void **state)
{
	struct state a, b;
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
static void any_damage_is_noticed(void **state)
{
	struct state a, b;
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

static void a_state_is_kept_and_damage_told(void **state)
{
	struct state a, b;
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
	tree_file(&tree, "/state", "clockprobe-state 1\nend 0x0\n");
	assert_int_equal(state_load(path, &b), STATE_DAMAGED);
	assert_int_equal(b.n_clocks, 0);
	tree_fifo(&tree, "/fifo");
	assert_int_equal(state_load(tree_path(&tree, "/fifo"), &b), STATE_UNREADABLE);
	assert_true(state_save(tree_path(&tree, "/no/such/state"), &a) < 0);
	tree_remove(&tree);
}

/* A probe of one clock that stood offset_ns from MONOTONIC_RAW, within 100 ns, at raw_ns. */
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
	struct state s = { 0 };

	(void)state;
	apply(&s, 1000, 0);
	m = apply(&s, 1100, 5000);
	assert_true(fabs(m->frequency_ppb - 50) < 1e-6);
	/* (100 ns + 100 ns) / 100 s */
	assert_true(fabs(m->frequency_uncertainty_ppb - 2) < 1e-6);
	assert_string_equal(m->reason, "");
	assert_true(s.clocks[0].has_frequency);
}

static void runs_in_quick_succession_keep_the_baseline(void **state)
{
	const struct measurement *m;
	struct state s = { 0 };

	(void)state;
	apply(&s, 1000, 0);
	apply(&s, 1030, 1500);
	m = apply(&s, 1059, 2950);
	assert_true(fabs(m->frequency_ppb - 50) < 1e-6);
	assert_true(m->frequency_uncertainty_ppb < 3.5);
	assert_true(s.clocks[0].raw_ns == 1000 * NS_PER_S);
}

static void another_boot_or_clock_begins_anew(void **state)
{
	struct state s = { 0 };
	struct probe *p;

	(void)state;
	apply(&s, 1000, 0);
	p = probe_at(1100 * NS_PER_S, 5000);
	p->clocks[0].info.registration = 100;
	history_apply(p, &s);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
	p = probe_at(1200 * NS_PER_S, 5000);
	p->clocks[0].info.registration = 100;
	strcpy(p->host.clocksource, "hpet");
	history_apply(p, &s);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
	p = probe_at(1300 * NS_PER_S, 5000);
	strcpy(p->host.boot_id, "another");
	history_apply(p, &s);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
}

static void a_jump_of_frequency_is_said(void **state)
{
	const struct measurement *m;
	struct state s = { 0 };

	(void)state;
	apply(&s, 1000, 0);
	apply(&s, 1100, 5000);
	m = apply(&s, 1200, 5000 + 505000);
	assert_non_null(strstr(m->reason, "the frequency changed by +5000 ppb"));
	/* and it starts from there */
	m = apply(&s, 1300, 510000 + 505000);
	assert_string_equal(m->reason, "");
}

static void a_clock_that_was_set_has_no_such_frequency(void **state)
{
	const struct measurement *m;
	struct state s = { 0 };

	(void)state;
	apply(&s, 1000, 0);
	m = apply(&s, 1100, NS_PER_S);
	assert_string_equal(m->reason, "the clock was set since the run before");
	assert_true(m->frequency_uncertainty_ppb == 20000);
}

static void a_failed_run_forgets_nothing(void **state)
{
	struct state s = { 0 };
	struct probe *p;

	(void)state;
	apply(&s, 1000, 0);
	p = probe_at(0, 0);
	p->clocks[0].measurement.status = MEASUREMENT_FAILED;
	history_apply(p, &s);
	assert_int_equal(s.n_clocks, 1);
	assert_true(s.clocks[0].raw_ns == 1000 * NS_PER_S);
}

static void a_changed_marker_voids_what_was(void **state)
{
	struct state s = { 0 };
	struct probe *p = probe_at(1000 * NS_PER_S, 0);

	(void)state;
	p->vmclock.present = true;
	p->vmclock.disruption_marker = 1;
	history_apply(p, &s);
	assert_false(p->marker_changed_known);
	p = probe_at(1100 * NS_PER_S, 5000);
	p->vmclock.present = true;
	p->vmclock.disruption_marker = 2;
	history_apply(p, &s);
	assert_true(p->marker_changed_known);
	assert_true(p->marker_changed);
	assert_true(p->clocks[0].measurement.frequency_uncertainty_ppb == 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(any_damage_is_noticed),
		cmocka_unit_test(a_state_is_kept_and_damage_told),
		cmocka_unit_test(a_long_baseline_sharpens_the_frequency),
		cmocka_unit_test(runs_in_quick_succession_keep_the_baseline),
		cmocka_unit_test(another_boot_or_clock_begins_anew),
		cmocka_unit_test(a_jump_of_frequency_is_said),
		cmocka_unit_test(a_clock_that_was_set_has_no_such_frequency),
		cmocka_unit_test(a_failed_run_forgets_nothing),
		cmocka_unit_test(a_changed_marker_voids_what_was),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
