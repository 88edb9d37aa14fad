// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A text file with a checksum at the end:
 *
 *	clockprobe-state 2
 *	boot_id ...
 *	clocksource ...
 *	marker 0x...			only with a VMClock
 *	clock INDEX REGISTRATION [PPT PPT]
 *	point RAW_NS LO_NS HI_NS	base, next and last, after each clock
 *	end CHECKSUM
 */
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "atomic_file.h"
#include "text.h"

#define FIRST_LINE "clockprobe-state 2"
#define MAX_FIELDS 5

/* 1024 clocks of 13 numbers fit. */
#define MAX_FILE_SIZE (512 * 1024)

/* FNV-1a: detects a truncated or damaged file. It is no signature. */
static uint64_t checksum(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return hash;
}

/* Splits at single blanks, in place. */
static unsigned split(char *line, char *fields[MAX_FIELDS])
{
	unsigned n = 0;

	while (line) {
		if (n == MAX_FIELDS)
			return 0;
		fields[n++] = line;
		line = strchr(line, ' ');
		if (line)
			*line++ = '\0';
	}
	return n;
}

/* What has been read of a state. */
struct parser {
	struct state *state;
	unsigned n_points; /* of the latest clock */
};

static bool is_complete(const struct parser *parser)
{
	return !parser->state->n_clocks || parser->n_points == STATE_N_POINTS;
}

static bool parse_clock(char *const fields[], unsigned n, struct parser *parser)
{
	struct state *state = parser->state;
	struct state_clock *c;
	uint64_t index;

	if ((n != 3 && n != 5) || state->n_clocks == DISCOVER_MAX_CLOCKS || !is_complete(parser))
		return false;
	c = &state->clocks[state->n_clocks];
	if (!text_parse_u64(fields[1], &index) || index > 99999 ||
	    !text_parse_u64(fields[2], &c->registration))
		return false;
	c->index = (unsigned)index;
	c->has_frequency = n == 5;
	if (c->has_frequency && (!text_parse_i64(fields[3], &c->frequency_ppt) ||
				 !text_parse_i64(fields[4], &c->frequency_uncertainty_ppt) ||
				 c->frequency_uncertainty_ppt < 0))
		return false;
	state->n_clocks++;
	parser->n_points = 0;
	return true;
}

static bool parse_point(char *const fields[], unsigned n, struct parser *parser)
{
	struct state *state = parser->state;
	struct state_point *point;

	if (n != 4 || !state->n_clocks || parser->n_points == STATE_N_POINTS)
		return false;
	point = &state->clocks[state->n_clocks - 1].points[parser->n_points++];
	return text_parse_i64(fields[1], &point->raw_ns) &&
	       text_parse_i64(fields[2], &point->lo_ns) &&
	       text_parse_i64(fields[3], &point->hi_ns) && point->lo_ns <= point->hi_ns;
}

static bool parse_line(char *line, struct parser *parser)
{
	struct state *state = parser->state;
	char *fields[MAX_FIELDS];
	unsigned n = split(line, fields);

	if (n == 2 && !strcmp(fields[0], "boot_id"))
		return text_copy(state->boot_id, sizeof(state->boot_id), fields[1]);
	if (n == 2 && !strcmp(fields[0], "clocksource"))
		return text_copy(state->clocksource, sizeof(state->clocksource), fields[1]);
	if (n == 2 && !strcmp(fields[0], "marker")) {
		state->has_marker = true;
		return text_parse_u64(fields[1], &state->disruption_marker);
	}
	if (n && !strcmp(fields[0], "clock"))
		return parse_clock(fields, n, parser);
	if (n && !strcmp(fields[0], "point"))
		return parse_point(fields, n, parser);
	return false;
}

/* Whether the last line has the checksum of all before it. */
static bool check_end(const char *text, const char *line, size_t length)
{
	char number[32];
	uint64_t sum;

	if (length <= 4 || length - 4 >= sizeof(number) || memcmp(line, "end ", 4))
		return false;
	memcpy(number, line + 4, length - 4);
	number[length - 4] = '\0';
	return text_parse_u64(number, &sum) && sum == checksum(text, (size_t)(line - text));
}

bool state_parse(const char *text, size_t length, struct state *state)
{
	const char *line = text, *end = text + length, *newline;
	struct parser parser = { .state = state };
	bool is_first = true;

	memset(state, 0, sizeof(*state));
	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		size_t line_length = (size_t)(newline - line);
		char copy[256];

		if (newline + 1 == end)
			return !is_first && is_complete(&parser) &&
			       check_end(text, line, line_length);
		if (line_length >= sizeof(copy) || memchr(line, '\0', line_length))
			return false;
		memcpy(copy, line, line_length);
		copy[line_length] = '\0';
		if (is_first ? strcmp(copy, FIRST_LINE) : !parse_line(copy, &parser))
			return false;
		is_first = false;
		line = newline + 1;
	}
	return false;
}

void state_write(FILE *file, const struct state *state)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);

	if (!memory)
		return;
	fprintf(memory, FIRST_LINE "\n");
	if (*state->boot_id)
		fprintf(memory, "boot_id %s\n", state->boot_id);
	if (*state->clocksource)
		fprintf(memory, "clocksource %s\n", state->clocksource);
	if (state->has_marker)
		fprintf(memory, "marker 0x%" PRIx64 "\n", state->disruption_marker);
	for (unsigned i = 0; i < state->n_clocks; i++) {
		const struct state_clock *c = &state->clocks[i];

		fprintf(memory, "clock %u %" PRIu64, c->index, c->registration);
		if (c->has_frequency)
			fprintf(memory, " %" PRId64 " %" PRId64, c->frequency_ppt,
				c->frequency_uncertainty_ppt);
		fputc('\n', memory);
		for (unsigned p = 0; p < STATE_N_POINTS; p++)
			fprintf(memory, "point %" PRId64 " %" PRId64 " %" PRId64 "\n",
				c->points[p].raw_ns, c->points[p].lo_ns, c->points[p].hi_ns);
	}
	if (!fclose(memory)) {
		fwrite(text, 1, length, file);
		fprintf(file, "end 0x%016" PRIx64 "\n", checksum(text, length));
	}
	free(text);
}

enum state_load state_load(const char *path, struct state *state)
{
	char *text = malloc(MAX_FILE_SIZE);
	ssize_t n = text ? text_read_head("", path, text, MAX_FILE_SIZE) : -ENOMEM;
	enum state_load result = STATE_LOADED;

	if (n == -ENOENT)
		result = STATE_ABSENT;
	else if (n < 0)
		result = STATE_UNREADABLE;
	else if (n == MAX_FILE_SIZE || !state_parse(text, (size_t)n, state))
		result = STATE_DAMAGED;
	if (result != STATE_LOADED)
		memset(state, 0, sizeof(*state));
	free(text);
	return result;
}

int state_save(const char *path, const struct state *state)
{
	struct atomic_file f;
	int err = atomic_file_open(&f, path);

	if (err)
		return err;
	state_write(f.file, state);
	return atomic_file_commit(&f);
}

const struct state_clock *state_find(const struct state *state, unsigned index,
				     uint64_t registration)
{
	for (unsigned i = 0; i < state->n_clocks; i++) {
		const struct state_clock *c = &state->clocks[i];

		if (c->index == index && c->registration == registration)
			return c;
	}
	return NULL;
}
