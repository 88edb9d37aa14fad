// SPDX-License-Identifier: GPL-3.0-or-later
/* The lines of a state file, behind a checksum that is always right. */
#include "fuzz.h"
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t checksum(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (length--)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char first_line[] = "clockprobe-state 2\n";
	size_t length = sizeof(first_line) - 1;
	static struct state state;
	char *text;

	if (size > 65536)
		return 0;
	text = malloc(length + size + 32);
	memcpy(text, first_line, length);
	memcpy(text + length, data, size);
	length += size;
	if (text[length - 1] != '\n')
		text[length++] = '\n';
	length += (size_t)sprintf(text + length, "end 0x%016" PRIx64 "\n", checksum(text, length));
	if (state_parse(text, length, &state)) {
		if (state.n_clocks > DISCOVER_MAX_CLOCKS)
			abort();
		for (unsigned i = 0; i < state.n_clocks; i++) {
			for (unsigned p = 0; p < STATE_N_POINTS; p++) {
				if (state.clocks[i].points[p].lo_ns >
				    state.clocks[i].points[p].hi_ns)
					abort();
			}
		}
	}
	free(text);
	return 0;
}
