// SPDX-License-Identifier: GPL-3.0-or-later
/* Text files and /proc/stat, valid and hostile. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steal.h"
#include "text.h"
#include "tree.h"

static void numbers_are_read_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "0", 0 },
		{ "17", 17 },
		{ "0x1ded", 0x1ded },
		{ "0XfF", 255 },
		{ "18446744073709551615", UINT64_MAX },
		{ "0xffffffffffffffff", UINT64_MAX },
	};
	static const char *const bad[] = { "",
					   "0x",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1\n",
					   "0x1g",
					   "18446744073709551616",
					   "0x10000000000000000",
					   "1e3" };
	uint64_t value;

	(void)state;
	for (unsigned i = 0; i < N_OF(good); i++) {
		assert_true(text_parse_u64(good[i].text, &value));
		assert_true(value == good[i].value);
	}
	for (unsigned i = 0; i < N_OF(bad); i++)
		assert_false(text_parse_u64(bad[i], &value));
}

static void signed_numbers_stay_in_range(void **state)
{
	int64_t value;

	(void)state;
	assert_true(text_parse_i64("-9223372036854775807", &value));
	assert_true(value == -INT64_MAX);
	assert_false(text_parse_i64("9223372036854775808", &value));
	assert_false(text_parse_i64("--1", &value));
}

static void a_line_is_read_without_its_newline(void **state)
{
	char line[16];

	tree_file(*state, "/sys/name", "ptp_cipu\n");
	assert_int_equal(text_read_line(((struct tree *)*state)->root, "/sys/name", line, 16), 8);
	assert_string_equal(line, "ptp_cipu");
}

static void hostile_files_are_refused(void **state)
{
	const char *root = ((struct tree *)*state)->root;
	char line[16], *huge = calloc(1, 1 << 20);

	memset(huge, 'A', 1 << 20);
	tree_bytes(*state, "/huge", huge, 1 << 20);
	free(huge);
	tree_bytes(*state, "/binary", "a\0\xff\x01z", 5);
	tree_file(*state, "/lines", "a\nb\n");
	tree_link(*state, "/loop", "loop");
	tree_fifo(*state, "/fifo");
	tree_directory(*state, "/directory");
	assert_int_equal(text_read_line(root, "/huge", line, 16), -EFBIG);
	assert_int_equal(text_read_line(root, "/binary", line, 16), -EILSEQ);
	assert_int_equal(text_read_line(root, "/lines", line, 16), -EILSEQ);
	assert_int_equal(text_read_line(root, "/loop", line, 16), -ELOOP);
	assert_int_equal(text_read_line(root, "/fifo", line, 16), -EINVAL);
	assert_int_equal(text_read_line(root, "/directory", line, 16), -EINVAL);
	assert_int_equal(text_read_line(root, "/absent", line, 16), -ENOENT);
}

static void the_name_of_a_link_is_its_last_part(void **state)
{
	const char *root = ((struct tree *)*state)->root;
	char base[16];

	tree_link(*state, "/driver", "../../bus/pci/drivers/ptp_cipu");
	tree_link(*state, "/long", "a/name-that-is-too-long-to-fit");
	assert_true(text_link_base(root, "/driver", base, sizeof(base)));
	assert_string_equal(base, "ptp_cipu");
	assert_false(text_link_base(root, "/long", base, sizeof(base)));
	assert_false(text_link_base(root, "/none", base, sizeof(base)));
}

static void steal_is_a_share_of_all_ticks(void **state)
{
	static const char before[] = "cpu  100 0 50 800 10 0 0 40 0 0\ncpu0 1 2\n";
	static const char after[] = "cpu  150 0 60 820 10 0 0 60 5 0\ncpu0 1 2\n";
	struct cpu_ticks a, b;
	double pct;

	(void)state;
	assert_true(steal_parse(before, strlen(before), &a));
	assert_true(steal_parse(after, strlen(after), &b));
	assert_true(steal_pct(&a, &b, &pct));
	assert_true(pct > 19.99 && pct < 20.01);
	assert_false(steal_pct(&b, &b, &pct));
	assert_false(steal_pct(&b, &a, &pct));
}

static void steal_is_never_more_than_all(void **state)
{
	const struct cpu_ticks none = { 0, 0 }, half_back = { 10, 20 };
	/* found by fuzzing: multiplied first, this gave more than 100 */
	const struct cpu_ticks most = { UINT64_C(3332333333333333331) + 4,
					UINT64_C(3332333333333333331) };
	double pct;

	(void)state;
	assert_true(steal_pct(&none, &most, &pct));
	assert_true(pct <= 100);
	assert_false(steal_pct(&none, &half_back, &pct));
}

static void steal_of_rubbish_is_not_known(void **state)
{
	static const char *const bad[] = { "",
					   "cpu",
					   "cpu ",
					   "cpu  1 2 3 4 5 6 7\n",
					   "cpu0 1 2 3 4 5 6 7 8",
					   "cpu  1 2 3 x 5 6 7 8",
					   "cpu  -1 2 3 4 5 6 7 8",
					   "cpu  18446744073709551615 1 0 0 0 0 0 0",
					   "cpu  99999999999999999999 1 0 0 0 0 0 0" };
	struct cpu_ticks ticks;

	(void)state;
	for (unsigned i = 0; i < N_OF(bad); i++)
		assert_false(steal_parse(bad[i], strlen(bad[i]), &ticks));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
		cmocka_unit_test(signed_numbers_stay_in_range),
		cmocka_unit_test(a_line_is_read_without_its_newline),
		cmocka_unit_test(hostile_files_are_refused),
		cmocka_unit_test(the_name_of_a_link_is_its_last_part),
		cmocka_unit_test(steal_is_a_share_of_all_ticks),
		cmocka_unit_test(steal_is_never_more_than_all),
		cmocka_unit_test(steal_of_rubbish_is_not_known),
	};

	return cmocka_run_group_tests_name("text", tests, tree_set_up, tree_tear_down);
}
