// SPDX-License-Identifier: GPL-3.0-or-later
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

/* Returns the length of the UTF-8 sequence at s, 0 where there is none. */
static size_t utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead;
		size_t length;
		uint32_t least;
	} forms[] = {
		{ 0x80, 0x00, 1, 0 },
		{ 0xe0, 0xc0, 2, 0x80 },
		{ 0xf0, 0xe0, 3, 0x800 },
		{ 0xf8, 0xf0, 4, 0x10000 },
	};

	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		uint32_t code = s[0] & (unsigned char)~forms[f].mask;

		if ((s[0] & forms[f].mask) != forms[f].lead)
			continue;
		for (size_t i = 1; i < forms[f].length; i++) {
			/* a terminator ends the loop here, too */
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (s[i] & 0x3f);
		}
		if (code < forms[f].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return 0;
		return forms[f].length;
	}
	return 0;
}

static void quoted(FILE *file, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', file);
	while (*s) {
		size_t length = utf8_length(s);

		if (!length) {
			fputs("\\ufffd", file);
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\')
			fprintf(file, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(file, "\\u%04x", *s);
		else
			fwrite(s, 1, length, file);
		s += length;
	}
	fputc('"', file);
}

static void member(struct json *j, const char *key)
{
	if (j->needs_comma)
		fputc(',', j->file);
	j->needs_comma = true;
	if (!key)
		return;
	quoted(j->file, key);
	fputc(':', j->file);
}

static void begin(struct json *j, const char *key, char bracket)
{
	member(j, key);
	fputc(bracket, j->file);
	j->needs_comma = false;
}

static void end(struct json *j, char bracket)
{
	fputc(bracket, j->file);
	j->needs_comma = true;
}

void json_begin_object(struct json *j, const char *key)
{
	begin(j, key, '{');
}

void json_end_object(struct json *j)
{
	end(j, '}');
}

void json_begin_array(struct json *j, const char *key)
{
	begin(j, key, '[');
}

void json_end_array(struct json *j)
{
	end(j, ']');
}

static bool member_or_null(struct json *j, const char *key, bool known)
{
	member(j, key);
	if (!known)
		fputs("null", j->file);
	return known;
}

bool json_begin_object_if(struct json *j, const char *key, bool known)
{
	if (member_or_null(j, key, known)) {
		fputc('{', j->file);
		j->needs_comma = false;
	}
	return known;
}

void json_bool(struct json *j, const char *key, bool known, bool value)
{
	if (member_or_null(j, key, known))
		fputs(value ? "true" : "false", j->file);
}

void json_i64(struct json *j, const char *key, bool known, int64_t value)
{
	if (member_or_null(j, key, known))
		fprintf(j->file, "%" PRId64, value);
}

void json_u64(struct json *j, const char *key, bool known, uint64_t value)
{
	if (member_or_null(j, key, known))
		fprintf(j->file, "%" PRIu64, value);
}

void json_double(struct json *j, const char *key, bool known, double value)
{
	if (member_or_null(j, key, known && isfinite(value)))
		fprintf(j->file, "%.3f", value);
}

void json_string(struct json *j, const char *key, const char *value)
{
	if (member_or_null(j, key, value && *value))
		quoted(j->file, value);
}
