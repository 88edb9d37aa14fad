// SPDX-License-Identifier: GPL-3.0-or-later
/* The state file. A file that is accepted is written again byte for byte. */
#include "fuzz.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state first, second;
	char *text = NULL;
	size_t length = 0;
	FILE *file;

	if (!state_parse((const char *)data, size, &first))
		return 0;
	file = open_memstream(&text, &length);
	state_write(file, &first);
	(void)fclose(file);
	/* Both are static, so that their padding is zero. NOLINTNEXTLINE(bugprone-*,cert-*) */
	if (!state_parse(text, length, &second) || memcmp(&first, &second, sizeof(first)))
		abort();
	free(text);
	return 0;
}
