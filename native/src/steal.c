// SPDX-License-Identifier: GPL-3.0-or-later
#include "steal.h"

#include <string.h>

#include "text.h"

/* user nice system idle iowait irq softirq steal; guest time is in user already */
#define STEAL_FIELDS 8

bool steal_parse(const char *text, size_t length, struct cpu_ticks *ticks)
{
	uint64_t field[STEAL_FIELDS] = { 0 };
	const char *end = text + length;
	unsigned n = 0;

	if (length < 4 || memcmp(text, "cpu ", 4))
		return false;
	text += 4;
	ticks->total = 0;
	while (n < STEAL_FIELDS) {
		while (text < end && *text == ' ')
			text++;
		if (text == end || *text < '0' || *text > '9')
			return false;
		for (; text < end && *text >= '0' && *text <= '9'; text++) {
			if (__builtin_mul_overflow(field[n], 10u, &field[n]) ||
			    __builtin_add_overflow(field[n], (uint64_t)(*text - '0'), &field[n]))
				return false;
		}
		if (__builtin_add_overflow(ticks->total, field[n], &ticks->total))
			return false;
		n++;
	}
	ticks->steal = field[STEAL_FIELDS - 1];
	return true;
}

bool steal_read(const char *root, struct cpu_ticks *ticks)
{
	char head[512];
	ssize_t n = text_read_head(root, "/proc/stat", head, sizeof(head));

	return n > 0 && steal_parse(head, (size_t)n, ticks);
}

bool steal_pct(const struct cpu_ticks *before, const struct cpu_ticks *after, double *pct)
{
	uint64_t total, steal;

	if (after->total <= before->total || after->steal < before->steal)
		return false;
	total = after->total - before->total;
	steal = after->steal - before->steal;
	/* other fields went back in the meantime: the kernel allows that for idle and iowait */
	if (steal > total)
		return false;
	/* divided first, so that rounding cannot make it more than 100 */
	*pct = (double)steal / (double)total * 100;
	return true;
}
