// SPDX-License-Identifier: GPL-3.0-or-later
/* /etc/passwd and /etc/group; the first byte is the number that is looked for. */
#include "accounts.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[ACCOUNT_NAME_SIZE];

	if (!size)
		return 0;
	if (!accounts_find((const char *)data + 1, size - 1, data[0], name, sizeof(name)))
		return 0;
	if (!*name || strchr(name, ':') || strchr(name, '\n'))
		abort();
	return 0;
}
