// SPDX-License-Identifier: GPL-3.0-or-later
#include "tick.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t tick_bound_ns(int64_t *differences_ns, unsigned n, int64_t noise_ns)
{
	int64_t least_ns = INT64_MAX;

	for (unsigned i = 0; i < n; i++) {
		differences_ns[i] = llabs(differences_ns[i]);
		/* no difference at all is a multiple, too */
		if (differences_ns[i] >= noise_ns && differences_ns[i] < least_ns)
			least_ns = differences_ns[i];
	}
	if (n)
		qsort(differences_ns, n, sizeof(differences_ns[0]), compare);
	for (unsigned i = 0, j = 0; i < n && j < n; i++) {
		while (j < n && differences_ns[j] - differences_ns[i] < noise_ns)
			j++;
		if (j < n && differences_ns[j] - differences_ns[i] < least_ns)
			least_ns = differences_ns[j] - differences_ns[i];
	}
	return least_ns == INT64_MAX ? 0 : least_ns + noise_ns;
}
