/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads one PTP clock and the system clocks. Every access goes through phc_io, so that tests can
 * use a simulated clock with known truth. */
#ifndef CLOCKPROBE_PHC_H
#define CLOCKPROBE_PHC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ptp_abi.h"

/* The same numbers as the kernel's; musl and glibc agree on them. */
enum sysclock {
	SYSCLOCK_REALTIME = 0,
	SYSCLOCK_MONOTONIC = 1,
	SYSCLOCK_MONOTONIC_RAW = 4,
};

enum phc_method {
	PHC_METHOD_NONE,
	PHC_METHOD_PRECISE,
	PHC_METHOD_EXTENDED,
	PHC_METHOD_BASIC,
};

struct phc_io {
	void *ctx;
	int (*ioctl)(void *ctx, unsigned long request, void *argument); /* 0 or -errno */
	int64_t (*now_ns)(void *ctx, enum sysclock clock);
	int64_t (*resolution_ns)(void *ctx, enum sysclock clock);
	/* how fast the kernel may slew the system clock at present, against MONOTONIC_RAW */
	int64_t (*slew_limit_ppb)(void *ctx);
	/* by how much the PHC's frequency is adjusted; 0 or -errno */
	int (*adjustment_ppb)(void *ctx, double *ppb);
	void (*sleep_ns)(void *ctx, int64_t ns);
};

/* System clock before and after a read of the PHC. All equal where the method is precise. */
struct phc_reading {
	int64_t pre_ns;
	int64_t phc_ns;
	int64_t post_ns;
	int64_t raw_ns; /* MONOTONIC_RAW of the same instant; 0 where it is not known */
};

const char *phc_method_name(enum phc_method method);
const char *sysclock_name(enum sysclock clock);
bool sysclock_from_name(const char *name, enum sysclock *clock);

int phc_caps(const struct phc_io *io, struct ptp_abi_caps *caps);

/* Takes count samples, with one ioctl, or one for each sample where the method is precise.
 * Returns 0 or -errno; -ERANGE for a time out of bounds. */
int phc_read(const struct phc_io *io, enum phc_method method, enum sysclock clock, unsigned count,
	     struct phc_reading *readings);

/* Opens the node of a clock. Its device number must be rdev, unless that is 0. */
int phc_open(const char *path, dev_t rdev, struct phc_io *io);

#endif
