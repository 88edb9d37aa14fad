// SPDX-License-Identifier: GPL-3.0-or-later
#include "unit.h"

#include "tree.h"
#include "vmclock.h"
#include "vmclock_page.h"

static uint8_t page[VMCLOCK_PAGE_SIZE];
static struct vmclock v;

static int make_page(void **state)
{
	(void)state;
	vmclock_good_page(page);
	return 0;
}

static void parse(void)
{
	vmclock_parse(page, sizeof(page), &v);
}

static void a_good_page_is_read_whole(void **state)
{
	(void)state;
	parse();
	assert_null(v.problem);
	assert_true(v.disruption_marker == 0xfeedfacecafe);
	assert_string_equal(vmclock_counter_name(v.counter_id), "x86_tsc");
	assert_string_equal(vmclock_time_type_name(v.time_type.value), "utc");
	assert_string_equal(vmclock_status_name(v.status.value), "synchronized");
	assert_string_equal(vmclock_smearing_name(v.smearing_hint.value), "utc_sls");
	assert_string_equal(vmclock_leap_name(v.leap_indicator.value), "pre_positive");
	assert_int_equal(v.tai_offset_s, 37);
	assert_true(v.counter_value.value == 123456789);
	assert_true(v.counter_hz.value > 2499999999.0 && v.counter_hz.value < 2500000001.0);
	assert_true(v.period_est_error_ppb.value > 999 && v.period_est_error_ppb.value < 1001);
	assert_true(v.period_max_error_ppb.value > 9999 && v.period_max_error_ppb.value < 10001);
	assert_true(v.time_s.value == 1700000000);
	assert_int_equal(v.time_fraction_ns.value, 500000000);
	assert_int_equal(v.time_est_error_ns.value, 500);
	assert_int_equal(v.time_max_error_ns.value, 10000);
	assert_int_equal(v.vm_generation.value, 7);
}

/* As seen from QEMU 11.1: a marker, and no time. */
static void without_a_counter_there_is_no_time(void **state)
{
	(void)state;
	page[10] = VMCLOCK_COUNTER_INVALID;
	parse();
	assert_null(v.problem);
	assert_string_equal(vmclock_counter_name(v.counter_id), "invalid");
	assert_true(v.disruption_marker == 0xfeedfacecafe);
	assert_false(v.time_type.known);
	assert_false(v.smearing_hint.known);
	assert_false(v.leap_indicator.known);
	assert_false(v.has_tai_offset);
	assert_false(v.time_s.known);
	assert_false(v.counter_value.known);
	assert_false(v.counter_hz.known);
	assert_false(v.time_max_error_ns.known);
}

static void time_needs_a_host_that_states_it_is_valid(void **state)
{
	static const uint8_t statuses[] = { VMCLOCK_UNKNOWN, VMCLOCK_INITIALIZING,
					    VMCLOCK_UNRELIABLE, 9 };

	(void)state;
	for (unsigned i = 0; i < N_OF(statuses); i++) {
		page[34] = statuses[i];
		parse();
		assert_null(v.problem);
		assert_false(v.time_s.known);
	}
	assert_null(vmclock_status_name(9));
}

static void each_flag_opens_its_field(void **state)
{
	(void)state;
	put(page, 24, 8, 0);
	parse();
	assert_true(v.time_s.known);
	assert_false(v.has_tai_offset);
	assert_false(v.period_est_error_ppb.known);
	assert_false(v.period_max_error_ppb.known);
	assert_false(v.time_est_error_ns.known);
	assert_false(v.time_max_error_ns.known);
	assert_false(v.vm_generation.known);
	assert_false(v.flags & VMCLOCK_FLAG_NOTIFICATION);
	put(page, 24, 8, 0x200);
	parse();
	assert_true(v.flags & VMCLOCK_FLAG_NOTIFICATION);
	put(page, 24, 8, VMCLOCK_FLAG_TIME_MAXERROR);
	parse();
	assert_true(v.time_max_error_ns.known);
	assert_false(v.time_est_error_ns.known);
}

static void each_field_needs_its_size(void **state)
{
	static const struct {
		unsigned size;
		bool status, tai, fraction, max_error, generation;
	} rows[] = {
		{ 32, false, false, false, false, false },
		{ 34, false, false, false, false, false },
		{ 35, true, false, false, false, false },
		{ 38, true, true, false, false, false },
		{ 87, true, true, false, false, false },
		{ 88, true, true, true, false, false },
		{ 104, true, true, true, true, false },
		{ 112, true, true, true, true, true },
	};

	(void)state;
	for (unsigned i = 0; i < N_OF(rows); i++) {
		put(page, 4, 4, rows[i].size);
		parse();
		assert_null(v.problem);
		assert_int_equal(v.status.known, rows[i].status);
		assert_int_equal(v.has_tai_offset, rows[i].tai);
		assert_int_equal(v.time_s.known, rows[i].fraction);
		assert_int_equal(v.time_max_error_ns.known, rows[i].max_error);
		assert_int_equal(v.vm_generation.known, rows[i].generation);
	}
}

static void a_negative_tai_offset_is_one(void **state)
{
	(void)state;
	put(page, 36, 2, (uint16_t)-10);
	parse();
	assert_int_equal(v.tai_offset_s, -10);
}

static void a_bad_page_is_reported(void **state)
{
	(void)state;
	page[0] ^= 1;
	parse();
	assert_non_null(v.problem);
	vmclock_good_page(page);
	put(page, 8, 2, 2);
	parse();
	assert_non_null(v.problem);
	vmclock_good_page(page);
	put(page, 4, 4, 31);
	parse();
	assert_non_null(v.problem);
	vmclock_good_page(page);
	put(page, 12, 4, 5);
	parse();
	assert_string_equal(v.problem, "the page is being written");
	vmclock_good_page(page);
	vmclock_parse(page, 31, &v);
	assert_non_null(v.problem);
	vmclock_parse(page, 0, &v);
	assert_non_null(v.problem);
}

static void a_read_that_is_short_shows_less(void **state)
{
	(void)state;
	vmclock_parse(page, 88, &v);
	assert_null(v.problem);
	assert_true(v.time_s.known);
	assert_false(v.time_max_error_ns.known);
}

static void the_device_may_be_absent_or_anything(void **state)
{
	struct tree tree;

	(void)state;
	tree_make(&tree);
	vmclock_read(tree.root, &v);
	assert_false(v.present);
	tree_bytes(&tree, VMCLOCK_NODE, page, sizeof(page));
	vmclock_read(tree.root, &v);
	assert_true(v.present);
	assert_null(v.problem);
	/* stays odd: ends after a few tries */
	put(page, 12, 4, 1);
	tree_bytes(&tree, VMCLOCK_NODE, page, sizeof(page));
	vmclock_read(tree.root, &v);
	assert_string_equal(v.problem, "the page is being written");
	tree_remove(&tree);
	tree_make(&tree);
	tree_fifo(&tree, VMCLOCK_NODE);
	vmclock_read(tree.root, &v);
	assert_string_equal(v.problem, "cannot be read");
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_page_is_read_whole, make_page),
		cmocka_unit_test_setup(without_a_counter_there_is_no_time, make_page),
		cmocka_unit_test_setup(time_needs_a_host_that_states_it_is_valid, make_page),
		cmocka_unit_test_setup(each_flag_opens_its_field, make_page),
		cmocka_unit_test_setup(each_field_needs_its_size, make_page),
		cmocka_unit_test_setup(a_negative_tai_offset_is_one, make_page),
		cmocka_unit_test_setup(a_bad_page_is_reported, make_page),
		cmocka_unit_test_setup(a_read_that_is_short_shows_less, make_page),
		cmocka_unit_test_setup(the_device_may_be_absent_or_anything, make_page),
	};

	return cmocka_run_group_tests_name("vmclock", tests, NULL, NULL);
}
