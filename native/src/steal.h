/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Share of CPU time that the hypervisor gave to others, from /proc/stat. */
#ifndef CLOCKPROBE_STEAL_H
#define CLOCKPROBE_STEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu_ticks {
	uint64_t total;
	uint64_t steal;
};

/* The "cpu" line of /proc/stat. */
bool steal_parse(const char *text, size_t length, struct cpu_ticks *ticks);
bool steal_read(const char *root, struct cpu_ticks *ticks);

/* Percent of all CPU time; false when no tick passed between the two. */
bool steal_pct(const struct cpu_ticks *before, const struct cpu_ticks *after, double *pct);

#endif
