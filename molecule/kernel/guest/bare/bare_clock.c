// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A PTP clock without a device. It shows what the PTP core does with any
 * driver. A number written to the parameter "cycle" registers
 * and unregisters the clock that many times.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/ptp_clock_kernel.h>

#define THERE_US 2000

static int bare_gettimex64(struct ptp_clock_info *info, struct timespec64 *ts,
			   struct ptp_system_timestamp *sts)
{
	ktime_get_real_ts64(ts);
	return 0;
}

static int bare_settime64(struct ptp_clock_info *info, const struct timespec64 *ts)
{
	return -EOPNOTSUPP;
}

static int bare_adjtime(struct ptp_clock_info *info, s64 delta)
{
	return -EOPNOTSUPP;
}

static int bare_adjfine(struct ptp_clock_info *info, long scaled_ppm)
{
	return -EOPNOTSUPP;
}

static int bare_enable(struct ptp_clock_info *info, struct ptp_clock_request *req, int on)
{
	return -EOPNOTSUPP;
}

static struct ptp_clock_info bare_info = {
	.owner		= THIS_MODULE,
	.name		= "bare",
	.gettimex64	= bare_gettimex64,
	.settime64	= bare_settime64,
	.adjtime	= bare_adjtime,
	.adjfine	= bare_adjfine,
	.enable		= bare_enable,
};

static int bare_cycle(const char *val, const struct kernel_param *kp)
{
	struct ptp_clock *clock;
	unsigned int times;
	int ret;

	ret = kstrtouint(val, 0, &times);
	while (!ret && times--) {
		clock = ptp_clock_register(&bare_info, NULL);
		if (IS_ERR_OR_NULL(clock))
			return clock ? PTR_ERR(clock) : -EOPNOTSUPP;
		usleep_range(THERE_US, 2 * THERE_US);
		ret = ptp_clock_unregister(clock);
	}
	return ret;
}

static const struct kernel_param_ops bare_ops = { .set = bare_cycle };
module_param_cb(cycle, &bare_ops, NULL, 0200);

MODULE_DESCRIPTION("Test aid: a PTP clock that is registered and unregistered repeatedly");
MODULE_LICENSE("GPL");
