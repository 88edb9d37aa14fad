// SPDX-License-Identifier: GPL-3.0-or-later
/* Samples as a hostile device could return them: 8 bytes for each time. */
#include "estimate.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define TIMES_LIMIT (INT64_MAX / 2)

static int64_t time_at(const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	return (int64_t)(value % TIMES_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct collected c;
	struct difference d;
	struct estimate e;

	memset(&c, 0, sizeof(c));
	/* system clock near an epoch, brackets of up to 4 s, any PHC time */
	for (; size >= 16 && c.n_samples < 64; data += 16, size -= 16) {
		struct sample *s = &c.samples[c.n_samples++];
		int64_t word = time_at(data);

		s->pre_ns = 1700000000000000000 + (word >> 32);
		s->post_ns = s->pre_ns + (word & 0xffffffff);
		s->phc_ns = time_at(data + 8);
		s->raw_lo_ns = 1690000000000000000;
		s->raw_hi_ns = s->raw_lo_ns + (word & 0xff);
	}
	estimate_offset(&c, 100, &e);
	if (e.status == ESTIMATE_OK &&
	    (e.interval.lo_ns < e.offset_ns - e.uncertainty_ns ||
	     e.interval.hi_ns > e.offset_ns + e.uncertainty_ns || e.uncertainty_ns < 0))
		abort();
	estimate_difference(&c, &c, 100, 100, &d);
	if (d.status == ESTIMATE_OK && (d.interval.lo_ns > 0 || d.interval.hi_ns < 0))
		abort();
	return 0;
}
