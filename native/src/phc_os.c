// SPDX-License-Identifier: GPL-3.0-or-later
/* phc_io on a real kernel. The tests replace this file by a simulated clock. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "phc.h"
#include "slew.h"

#define NS_PER_S 1000000000

static int os_ioctl(void *ctx, unsigned long request, void *argument)
{
	/* musl takes an int: the bits are the same */
	return ioctl((int)(intptr_t)ctx, (int)request, argument) ? -errno : 0;
}

static int64_t os_now_ns(void *ctx, enum sysclock clock)
{
	struct timespec ts = { 0, 0 };

	(void)ctx;
	clock_gettime((clockid_t)clock, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t os_resolution_ns(void *ctx, enum sysclock clock)
{
	struct timespec ts = { 0, 1 };

	(void)ctx;
	clock_getres((clockid_t)clock, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t os_slew_limit_ppb(void *ctx)
{
	struct timex tx = { .modes = 0 };

	(void)ctx;
	return adjtimex(&tx) < 0 ? SLEW_DEFAULT_PPB : slew_limit_ppb(&tx);
}

/* The clock id of an open PHC, as the kernel encodes it. */
static clockid_t clockid_of(int fd)
{
	return (clockid_t)(~(unsigned)fd << 3 | 3);
}

static int os_adjustment_ppb(void *ctx, double *ppb)
{
	struct timex tx = { .modes = 0 };

	if (clock_adjtime(clockid_of((int)(intptr_t)ctx), &tx) < 0)
		return -errno;
	*ppb = (double)tx.freq * 1000 / 65536;
	return 0;
}

static void os_sleep_ns(void *ctx, int64_t ns)
{
	struct timespec ts = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	(void)ctx;
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

int phc_open(const char *path, dev_t rdev, struct phc_io *io)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISCHR(st.st_mode) || (rdev && st.st_rdev != rdev)) {
		close(fd);
		return -ENODEV;
	}
	*io = (struct phc_io){
		.ctx = (void *)(intptr_t)fd,
		.ioctl = os_ioctl,
		.now_ns = os_now_ns,
		.resolution_ns = os_resolution_ns,
		.slew_limit_ppb = os_slew_limit_ppb,
		.adjustment_ppb = os_adjustment_ppb,
		.sleep_ns = os_sleep_ns,
	};
	return 0;
}
