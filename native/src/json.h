/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes JSON on one line. The key is NULL for members of an array. */
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

/* Each writes null where known is false. */
void json_bool(struct json *j, const char *key, bool known, bool value);
void json_i64(struct json *j, const char *key, bool known, int64_t value);
void json_u64(struct json *j, const char *key, bool known, uint64_t value);
/* Writes null for a value that is not finite, too. */
void json_double(struct json *j, const char *key, bool known, double value);
/* Writes null for NULL and for the empty string. Bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *j, const char *key, const char *value);

/* Begins an object or writes null. Returns known. */
bool json_begin_object_if(struct json *j, const char *key, bool known);

#endif
