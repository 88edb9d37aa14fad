// SPDX-License-Identifier: GPL-3.0-or-later
#include "monotime.h"

#include <time.h>

int64_t monotonic_ns(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
