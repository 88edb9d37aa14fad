/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes JSON, on one line. A key of NULL is for the members of an array. */
#ifndef CLOCKPROBE_JSON_H
#define CLOCKPROBE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *file;
	bool needs_comma;
};

void json_begin_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_begin_array(struct json *j, const char *key);
void json_end_array(struct json *j);

void json_null(struct json *j, const char *key);
void json_bool(struct json *j, const char *key, bool value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_u64(struct json *j, const char *key, uint64_t value);
/* Not a number and infinity have no form in JSON: null. */
void json_double(struct json *j, const char *key, double value, int decimals);
/* NULL is null. What is no UTF-8 becomes U+FFFD. */
void json_string(struct json *j, const char *key, const char *value);
/* null for the empty string, which stands for absent */
void json_string_or_null(struct json *j, const char *key, const char *value);

#endif
