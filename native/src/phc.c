// SPDX-License-Identifier: GPL-3.0-or-later
#include "phc.h"

#include <errno.h>
#include <string.h>

#define NS_PER_S 1000000000

/* 1970 to 2116: differences of two such times in nanoseconds fit an int64_t. */
#define SEC_LIMIT (INT64_MAX / 2 / NS_PER_S)

const char *phc_method_name(enum phc_method method)
{
	switch (method) {
	case PHC_METHOD_PRECISE:
		return "precise";
	case PHC_METHOD_EXTENDED:
		return "extended";
	case PHC_METHOD_BASIC:
		return "basic";
	case PHC_METHOD_NONE:
		break;
	}
	return NULL;
}

static const struct {
	enum sysclock clock;
	const char *name;
} sysclock_names[] = {
	{ SYSCLOCK_REALTIME, "realtime" },
	{ SYSCLOCK_MONOTONIC, "monotonic" },
	{ SYSCLOCK_MONOTONIC_RAW, "monotonic-raw" },
};

#define N_SYSCLOCKS (sizeof(sysclock_names) / sizeof(sysclock_names[0]))

const char *sysclock_name(enum sysclock clock)
{
	for (unsigned i = 0; i < N_SYSCLOCKS; i++) {
		if (sysclock_names[i].clock == clock)
			return sysclock_names[i].name;
	}
	return NULL;
}

bool sysclock_from_name(const char *name, enum sysclock *clock)
{
	for (unsigned i = 0; i < N_SYSCLOCKS; i++) {
		if (!strcmp(sysclock_names[i].name, name)) {
			*clock = sysclock_names[i].clock;
			return true;
		}
	}
	return false;
}

int phc_caps(const struct phc_io *io, struct ptp_abi_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	return io->ioctl(io->ctx, PTP_ABI_GETCAPS, caps);
}

/* A device can return anything. A time that does not fit is an error. */
static bool time_ns(const struct ptp_abi_time *t, int64_t *ns)
{
	if (t->sec < 0 || t->sec >= SEC_LIMIT || t->nsec >= NS_PER_S)
		return false;
	*ns = t->sec * NS_PER_S + t->nsec;
	return true;
}

static int set_reading(struct phc_reading *reading, const struct ptp_abi_time *pre,
		       const struct ptp_abi_time *phc, const struct ptp_abi_time *post)
{
	reading->raw_ns = 0;
	if (!time_ns(pre, &reading->pre_ns) || !time_ns(phc, &reading->phc_ns) ||
	    !time_ns(post, &reading->post_ns))
		return -ERANGE;
	return 0;
}

static bool is_zero(const struct ptp_abi_time *t)
{
	return !t->sec && !t->nsec;
}

static int read_precise_once(const struct phc_io *io, enum sysclock clock,
			     struct phc_reading *reading)
{
	struct ptp_abi_precise arg;
	const struct ptp_abi_time *sys;
	int err;

	/* the ioctl has no third clock to give */
	if (clock == SYSCLOCK_MONOTONIC)
		return -EOPNOTSUPP;
	memset(&arg, 0, sizeof(arg));
	err = io->ioctl(io->ctx, PTP_ABI_PRECISE, &arg);
	if (err)
		return err;
	sys = clock == SYSCLOCK_REALTIME ? &arg.sys_realtime : &arg.sys_monoraw;
	/* some drivers omit a system clock; raw_ns of 0 stands for not known, too */
	if (is_zero(sys))
		return -EOPNOTSUPP;
	err = set_reading(reading, sys, &arg.device, sys);
	if (!err && !time_ns(&arg.sys_monoraw, &reading->raw_ns))
		err = -ERANGE;
	return err;
}

static int read_precise(const struct phc_io *io, enum sysclock clock, unsigned count,
			struct phc_reading *readings)
{
	int err = 0;

	for (unsigned i = 0; !err && i < count; i++)
		err = read_precise_once(io, clock, &readings[i]);
	return err;
}

static int read_extended(const struct phc_io *io, enum sysclock clock, unsigned count,
			 struct phc_reading *readings)
{
	struct ptp_abi_extended arg;
	int err;

	memset(&arg, 0, sizeof(arg));
	arg.n_samples = count;
	arg.clockid = clock;
	err = io->ioctl(io->ctx, PTP_ABI_EXTENDED, &arg);
	for (unsigned i = 0; !err && i < count; i++)
		err = set_reading(&readings[i], &arg.ts[i][0], &arg.ts[i][1], &arg.ts[i][2]);
	return err;
}

static int read_basic(const struct phc_io *io, enum sysclock clock, unsigned count,
		      struct phc_reading *readings)
{
	struct ptp_abi_basic arg;
	int err;

	if (clock != SYSCLOCK_REALTIME)
		return -EOPNOTSUPP;
	memset(&arg, 0, sizeof(arg));
	arg.n_samples = count;
	err = io->ioctl(io->ctx, PTP_ABI_BASIC, &arg);
	for (unsigned i = 0; !err && i < count; i++)
		err = set_reading(&readings[i], &arg.ts[2 * i], &arg.ts[2 * i + 1],
				  &arg.ts[2 * i + 2]);
	return err;
}

int phc_read(const struct phc_io *io, enum phc_method method, enum sysclock clock, unsigned count,
	     struct phc_reading *readings)
{
	if (!count || count > PTP_ABI_MAX_SAMPLES)
		return -EINVAL;
	switch (method) {
	case PHC_METHOD_PRECISE:
		return read_precise(io, clock, count, readings);
	case PHC_METHOD_EXTENDED:
		return read_extended(io, clock, count, readings);
	case PHC_METHOD_BASIC:
		return read_basic(io, clock, count, readings);
	case PHC_METHOD_NONE:
		break;
	}
	return -EINVAL;
}
