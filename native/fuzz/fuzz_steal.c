// SPDX-License-Identifier: GPL-3.0-or-later
/* /proc/stat */
#include "fuzz.h"
#include "steal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cpu_ticks a, zero = { 0, 0 };
	double pct;

	if (!steal_parse((const char *)data, size, &a))
		return 0;
	if (a.steal > a.total)
		abort();
	if (steal_pct(&zero, &a, &pct) && !(pct >= 0 && pct <= 100))
		abort();
	return 0;
}
