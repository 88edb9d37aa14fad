// SPDX-License-Identifier: GPL-3.0-or-later
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "json.h"

struct writer {
	char *text;
	size_t length;
	struct json json;
};

static void start(struct writer *w)
{
	w->json = (struct json){ .file = open_memstream(&w->text, &w->length) };
	json_begin_array(&w->json, NULL);
}

static void assert_written(struct writer *w, const char *expected)
{
	json_end_array(&w->json);
	(void)fclose(w->json.file);
	assert_string_equal(w->text, expected);
	free(w->text);
}

static void commas_separate_members(void **state)
{
	struct writer w;

	(void)state;
	start(&w);
	json_begin_object(&w.json, NULL);
	json_i64(&w.json, "a", true, INT64_MIN);
	json_u64(&w.json, "b", true, UINT64_MAX);
	json_begin_array(&w.json, "c");
	json_end_array(&w.json);
	json_bool(&w.json, "d", true, true);
	json_string(&w.json, "e", NULL);
	json_end_object(&w.json);
	json_i64(&w.json, NULL, true, 0);
	assert_written(&w, "[{\"a\":-9223372036854775808,\"b\":18446744073709551615,\"c\":[],"
			   "\"d\":true,\"e\":null},0]");
}

static void text_is_escaped(void **state)
{
	struct writer w;

	(void)state;
	start(&w);
	json_string(&w.json, NULL, "a\"b\\c\n\x1b\x7f");
	json_string(&w.json, NULL, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_written(&w, "[\"a\\\"b\\\\c\\u000a\\u001b\\u007f\","
			   "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"]");
}

static void invalid_utf8_is_replaced(void **state)
{
	struct writer w;

	(void)state;
	start(&w);
	/* lone continuation, cut short, overlong, surrogate, beyond the last */
	json_string(&w.json, NULL, "\x80\x61");
	json_string(&w.json, NULL, "\xe2\x82");
	json_string(&w.json, NULL, "\xc0\xaf");
	json_string(&w.json, NULL, "\xed\xa0\x80");
	json_string(&w.json, NULL, "\xf4\x90\x80\x80");
	assert_written(&w, "[\"\\ufffda\",\"\\ufffd\\ufffd\",\"\\ufffd\\ufffd\","
			   "\"\\ufffd\\ufffd\\ufffd\",\"\\ufffd\\ufffd\\ufffd\\ufffd\"]");
}

static void absent_is_null(void **state)
{
	struct writer w;

	(void)state;
	start(&w);
	json_string(&w.json, NULL, NULL);
	json_string(&w.json, NULL, "");
	json_i64(&w.json, NULL, false, 1);
	json_u64(&w.json, NULL, false, 1);
	json_bool(&w.json, NULL, false, true);
	json_double(&w.json, NULL, false, 1);
	json_double(&w.json, NULL, true, NAN);
	json_double(&w.json, NULL, true, INFINITY);
	json_double(&w.json, NULL, true, -0.5);
	assert_false(json_begin_object_if(&w.json, NULL, false));
	assert_true(json_begin_object_if(&w.json, NULL, true));
	json_end_object(&w.json);
	assert_written(&w, "[null,null,null,null,null,null,null,null,-0.500,null,{}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_separate_members),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(invalid_utf8_is_replaced),
		cmocka_unit_test(absent_is_null),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
