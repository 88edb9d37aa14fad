// SPDX-License-Identifier: GPL-2.0-or-later
/* The negotiation with the function, and its parameters. */

#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/time64.h>
#include <linux/utsname.h>

#include "cipu.h"

/* How long a reset takes to settle is not documented. */
#define CIPU_RESET_POLL_US	100
#define CIPU_RESET_TOUT_US	(100 * USEC_PER_MSEC)

/* Used where the device's own limit would fail, or accept, every read. */
#define CIPU_DEF_MAX_LAT_NS	NSEC_PER_MSEC
#define CIPU_TOP_MAX_LAT_NS	NSEC_PER_SEC
#define CIPU_DEF_MT_TOUT_US	(60 * USEC_PER_SEC)

#define CIPU_DEF_EPOCH_YR	1970
/* ktime_t ends in 2262, so a later epoch leaves too little range. */
#define CIPU_LAST_EPOCH_YR	2200

static unsigned int drv_ver = 0x00010300;
module_param(drv_ver, uint, 0444);
MODULE_PARM_DESC(drv_ver, "Driver version reported to the device (default 0x00010300); a device can block a version");

static int cipu_hw_set_stat(struct cipu *cipu, u8 stat)
{
	u8 now;
	int ret;

	writeb(stat, cipu->base + CIPU_DEV_STAT);
	ret = readb_poll_timeout(cipu->base + CIPU_DEV_STAT, now,
				 now == stat || PCI_POSSIBLE_ERROR(now), CIPU_RESET_POLL_US,
				 CIPU_RESET_TOUT_US);
	if (PCI_POSSIBLE_ERROR(now))
		ret = -ENODEV;
	else
		WRITE_ONCE(cipu->cached.dev_stat, now);
	if (ret && cipu_may_log(cipu))
		dev_err(&cipu->pdev->dev, "device state is %#x after %u was written\n", now, stat);
	return ret;
}

/*
 * A register may refuse its value because the reset has not settled yet, even
 * though dev_stat already reads RESET. So retry with exponential backoff.
 */
static int cipu_hw_write_checked(struct cipu *cipu, unsigned int reg, u32 val, u32 *cached)
{
	unsigned long wait_us = CIPU_RESET_POLL_US;
	u32 now;

	for (;;) {
		writel(val, cipu->base + reg);
		now = readl(cipu->base + reg);
		WRITE_ONCE(*cached, now);
		if (now == val)
			return 0;
		if (wait_us > CIPU_RESET_TOUT_US)
			return -EPROTO;
		usleep_range(wait_us, 2 * wait_us);
		wait_us *= 2;
	}
}

static void cipu_hw_read(struct cipu *cipu, unsigned int reg, u32 *cached)
{
	WRITE_ONCE(*cached, readl(cipu->base + reg));
}

/**
 * cipu_hw_set_thresh() - read the threshold above which reads are counted
 * @cipu: the function
 *
 * The device may change it at any time. Zero means "no threshold".
 */
void cipu_hw_set_thresh(struct cipu *cipu)
{
	unsigned long flags;
	u32 us = readl(cipu->base + CIPU_THRESH_US);

	if (PCI_POSSIBLE_ERROR(us) && PCI_POSSIBLE_ERROR(readb(cipu->base + CIPU_DEV_STAT)))
		return;

	WRITE_ONCE(cipu->cached.thresh_us, us);
	raw_spin_lock_irqsave(&cipu->lock, flags);
	cipu->thresh_ns = us ? (u64)us * NSEC_PER_USEC : U64_MAX;
	raw_spin_unlock_irqrestore(&cipu->lock, flags);
}

static int cipu_hw_set_epoch(struct cipu *cipu)
{
	u32 year = CIPU_DEF_EPOCH_YR;
	unsigned long flags;

	if (cipu->cached.gst_feat & CIPU_FEAT_EPOCH)
		year = cipu->cached.epo_base_yr;
	if (year < CIPU_DEF_EPOCH_YR || year > CIPU_LAST_EPOCH_YR) {
		if (cipu_may_log(cipu))
			dev_err(&cipu->pdev->dev, "epoch year %u is out of range (%u to %u)\n",
				year, CIPU_DEF_EPOCH_YR, CIPU_LAST_EPOCH_YR);
		return -ERANGE;
	}

	raw_spin_lock_irqsave(&cipu->lock, flags);
	cipu->base_ns = mktime64(year, 1, 1, 0, 0, 0) * NSEC_PER_SEC;
	raw_spin_unlock_irqrestore(&cipu->lock, flags);
	return 0;
}

static void cipu_hw_set_max_lat(struct cipu *cipu)
{
	u64 max_lat_ns = cipu->cached.max_lat_ns;
	unsigned long flags;

	if (!max_lat_ns)
		max_lat_ns = CIPU_DEF_MAX_LAT_NS;
	max_lat_ns = min_t(u64, max_lat_ns, CIPU_TOP_MAX_LAT_NS);
	if (max_lat_ns != cipu->cached.max_lat_ns && cipu_may_log(cipu))
		dev_warn(&cipu->pdev->dev, "max_lat_ns of %u is out of range, using %llu ns\n",
			 cipu->cached.max_lat_ns, max_lat_ns);

	raw_spin_lock_irqsave(&cipu->lock, flags);
	cipu->max_lat_ns = max_lat_ns;
	raw_spin_unlock_irqrestore(&cipu->lock, flags);
}

static void cipu_hw_set_mt_tout(struct cipu *cipu)
{
	u32 us = cipu->cached.mt_tout_us ?: CIPU_DEF_MT_TOUT_US;

	cipu->mt_tout = usecs_to_jiffies(us);
}

/*
 * The first three numbers of the running kernel's release. A module built for
 * one release may run on another that has the same ABI.
 */
static u32 cipu_hw_env_ver(void)
{
	unsigned int major = 0, minor = 0, patch = 0;

	if (sscanf(init_utsname()->release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return CIPU_ENV_LINUX;
	return CIPU_ENV_LINUX | min(major, 255U) << 16 | min(minor, 255U) << 8 | min(patch, 255U);
}

/**
 * cipu_hw_negotiate() - take the function from any state to FEATURE_OK
 * @cipu: the function; its state is not CIPU_LIVE
 * @features: features to accept, as far as the device offers them
 *
 * Reads every parameter again, because a device may come back from a reset with
 * another epoch.
 *
 * Return: 0 or a negative errno.
 */
int cipu_hw_negotiate(struct cipu *cipu, u32 features)
{
	struct cipu_cached *c = &cipu->cached;
	struct device *dev = &cipu->pdev->dev;
	int ret;

	ret = cipu_hw_set_stat(cipu, CIPU_STAT_RESET);
	if (ret)
		return ret;

	cipu_hw_read(cipu, CIPU_DEV_FEAT, &c->dev_feat);
	features &= c->dev_feat;
	ret = cipu_hw_write_checked(cipu, CIPU_GST_FEAT, features, &c->gst_feat);
	if (ret) {
		if (cipu_may_log(cipu))
			dev_err(dev, "device accepts features %#x instead of %#x\n", c->gst_feat,
				features);
		return ret;
	}

	ret = cipu_hw_write_checked(cipu, CIPU_ENV_VER, cipu_hw_env_ver(), &c->env_ver);
	if (ret) {
		if (cipu_may_log(cipu))
			dev_err(dev, "device refuses kernel version %#010x\n", cipu_hw_env_ver());
		return ret;
	}

	ret = cipu_hw_write_checked(cipu, CIPU_DRV_VER, drv_ver, &c->drv_ver);
	if (ret) {
		if (cipu_may_log(cipu))
			dev_err(dev,
				"device refuses driver version %#010x: it may block this version; override it with the module parameter drv_ver\n",
				drv_ver);
		return ret;
	}

	cipu_hw_read(cipu, CIPU_TM_PREC_NS, &c->tm_prec_ns);
	cipu_hw_read(cipu, CIPU_EPO_BASE_YR, &c->epo_base_yr);
	cipu_hw_read(cipu, CIPU_LEAP_SEC, &c->leap_sec);
	cipu_hw_read(cipu, CIPU_MAX_LAT_NS, &c->max_lat_ns);
	cipu_hw_read(cipu, CIPU_MT_TOUT_US, &c->mt_tout_us);

	ret = cipu_hw_set_epoch(cipu);
	if (ret)
		return ret;
	cipu_hw_set_max_lat(cipu);
	cipu_hw_set_mt_tout(cipu);
	cipu_hw_set_thresh(cipu);

	return cipu_hw_set_stat(cipu, CIPU_STAT_FEATURE_OK);
}

/**
 * cipu_hw_start() - let the function send interrupts
 * @cipu: the function, in FEATURE_OK
 *
 * Return: 0 or a negative errno.
 */
int cipu_hw_start(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->mutex);

	return cipu_hw_set_stat(cipu, CIPU_STAT_DRIVER_OK);
}

/**
 * cipu_hw_stop() - stop the function's interrupts
 * @cipu: the function; may have been removed already
 */
void cipu_hw_stop(struct cipu *cipu)
{
	u8 stat;

	writeb(CIPU_STAT_RESET, cipu->base + CIPU_DEV_STAT);
	/* Flush the posted write: after it no interrupt is in flight. */
	stat = readb(cipu->base + CIPU_DEV_STAT);
	if (!PCI_POSSIBLE_ERROR(stat))
		WRITE_ONCE(cipu->cached.dev_stat, stat);
}

/**
 * cipu_hw_present() - whether the function responds in configuration space
 * @cipu: the function
 */
bool cipu_hw_present(struct cipu *cipu)
{
	return !pci_channel_offline(cipu->pdev) && pci_device_is_present(cipu->pdev);
}

/**
 * cipu_hw_restore_config() - restore a configuration space that lost power
 * @cipu: the function
 *
 * A function without power loses more than BAR 0. Without memory decoding the
 * registers read all ones; without bus mastering no MSI-X message is sent.
 */
void cipu_hw_restore_config(struct cipu *cipu)
{
	const u16 need = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	u16 cmd;

	lockdep_assert_held(&cipu->mutex);

	pci_read_config_word(cipu->pdev, PCI_COMMAND, &cmd);
	if (PCI_POSSIBLE_ERROR(cmd) || (cmd & need) == need)
		return;

	pci_restore_state(cipu->pdev);
	pci_save_state(cipu->pdev);
	pci_set_master(cipu->pdev);
}
