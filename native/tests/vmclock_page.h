/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A VMClock page made by hand, as a guest of a host with a good clock would see it. */
#ifndef CLOCKPROBE_VMCLOCK_PAGE_H
#define CLOCKPROBE_VMCLOCK_PAGE_H

#include <stdint.h>
#include <string.h>

#include "vmclock.h"

static inline void put(uint8_t *page, unsigned at, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++)
		page[at + i] = (uint8_t)(value >> 8 * i);
}

static inline void vmclock_good_page(uint8_t page[VMCLOCK_PAGE_SIZE])
{
	memset(page, 0, VMCLOCK_PAGE_SIZE);
	memcpy(page, "VCLK", 4);
	put(page, 4, 4, VMCLOCK_PAGE_SIZE);
	put(page, 8, 2, 1);
	page[10] = VMCLOCK_COUNTER_X86_TSC;
	page[11] = 0; /* UTC */
	put(page, 16, 8, 0xfeedfacecafe);
	put(page, 24, 8, 0x1ff);
	page[34] = VMCLOCK_SYNCHRONIZED;
	page[35] = 2; /* UTC-SLS */
	put(page, 36, 2, (uint16_t)37);
	page[38] = 1; /* positive leap second ahead */
	page[39] = 8;
	put(page, 40, 8, 123456789);
	/* 2.5 GHz: 2^72 / 2.5e9 */
	put(page, 48, 8, UINT64_C(1888946593147));
	put(page, 56, 8, 1888946);
	put(page, 64, 8, 18889465);
	put(page, 72, 8, 1700000000);
	put(page, 80, 8, UINT64_C(1) << 63);
	put(page, 88, 8, 500);
	put(page, 96, 8, 10000);
	put(page, 104, 8, 7);
}

#endif
