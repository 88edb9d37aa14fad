// SPDX-License-Identifier: GPL-3.0-or-later
#include "accounts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Local accounts only, and system accounts stand at the top. */
#define ACCOUNTS_READ_SIZE (64 * 1024)

static bool is_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
			return false;
	}
	return length > 0;
}

/* name:password:id:... */
static bool line_matches(const char *line, size_t length, unsigned id, size_t *name_length)
{
	const char *end = line + length, *colon, *field;
	char number[16];
	uint64_t value;

	colon = memchr(line, ':', length);
	if (!colon || !is_name(line, (size_t)(colon - line)))
		return false;
	*name_length = (size_t)(colon - line);
	field = memchr(colon + 1, ':', (size_t)(end - colon - 1));
	if (!field)
		return false;
	field++;
	colon = memchr(field, ':', (size_t)(end - field));
	if (!colon || (size_t)(colon - field) >= sizeof(number))
		return false;
	memcpy(number, field, (size_t)(colon - field));
	number[colon - field] = '\0';
	return text_parse_u64(number, &value) && value == id;
}

bool accounts_find(const char *text, size_t length, unsigned id, char *name, size_t size)
{
	const char *end = text + length;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_length = (size_t)((newline ? newline : end) - text);
		size_t name_length;

		if (line_matches(text, line_length, id, &name_length) && name_length < size) {
			memcpy(name, text, name_length);
			name[name_length] = '\0';
			return true;
		}
		text += line_length + 1;
	}
	return false;
}

void accounts_name(const char *root, const char *path, unsigned id, char *name, size_t size)
{
	char *text = malloc(ACCOUNTS_READ_SIZE);
	ssize_t n = text ? text_read_head(root, path, text, ACCOUNTS_READ_SIZE) : -1;

	if (n < 0 || !accounts_find(text, (size_t)n, id, name, size))
		snprintf(name, size, "%u", id);
	free(text);
}
