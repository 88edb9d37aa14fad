// SPDX-License-Identifier: GPL-3.0-or-later
#include "slew.h"

#include <stdlib.h>

/* adjtime() slews at 500 ppm; the rest covers rounding in the kernel. */
#define ADJTIME_PPB SLEW_DEFAULT_PPB

/* The largest phase offset that the kernel takes, 0.5 s, in ns: all of it in one second. */
#define MAX_PHASE_NS 500000000

/* STA_PPSTIME and STA_PPSSIGNAL: the kernel applies the whole offset in one second. */
#define PPS_STEERS (STA_PPSTIME | STA_PPSSIGNAL)

/*
 * The kernel's PLL applies 1 / 2^(2 + constant) of the remaining offset in each second. The
 * offset is reported after the share of the current second was taken off, so that share may be
 * share / (1 - share) of what is reported.
 */
static int64_t phase_slew_ppb(const struct timex *tx)
{
	long long offset_ns = llabs((long long)tx->offset);
	long constant = tx->constant < 0 ? 0 : tx->constant > 30 ? 30 : tx->constant;

	if ((tx->status & PPS_STEERS) == PPS_STEERS)
		return MAX_PHASE_NS;
	if (!(tx->status & STA_NANO))
		offset_ns = offset_ns > MAX_PHASE_NS / 1000 ? MAX_PHASE_NS : offset_ns * 1000;
	if (offset_ns > MAX_PHASE_NS)
		offset_ns = MAX_PHASE_NS;
	/* ns in a second are ppb */
	return offset_ns / ((4LL << constant) - 1) + 1;
}

int64_t slew_limit_ppb(const struct timex *tx)
{
	/* freq is in 2^-16 ppm; a tick is 10,000 us at the USER_HZ of 100 */
	return ADJTIME_PPB + llabs((long long)tx->freq) * 1000 / 65536 +
	       llabs((long long)tx->tick - 10000) * 100000 + phase_slew_ppb(tx);
}
