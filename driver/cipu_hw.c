// SPDX-License-Identifier: GPL-2.0-or-later
/* The handshake with the function, and what it says about itself. */

#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/time64.h>
#include <linux/version.h>

#include "cipu.h"

/* How long a reset takes to settle is nowhere said. */
#define CIPU_RESET_POLL_US	100
#define CIPU_RESET_TOUT_US	(100 * USEC_PER_MSEC)

/* Used where the device's own limit would fail, or pass, every read. */
#define CIPU_DEF_MAX_LAT_NS	NSEC_PER_MSEC
#define CIPU_TOP_MAX_LAT_NS	NSEC_PER_SEC
#define CIPU_DEF_MT_TOUT_US	(60 * USEC_PER_SEC)

#define CIPU_DEF_EPOCH_YR	1970
/* ktime_t ends in 2262, and a timestamp reaches 146 years from its epoch. */
#define CIPU_LAST_EPOCH_YR	2200

static unsigned int drv_ver = 0x00010300;
module_param(drv_ver, uint, 0444);
MODULE_PARM_DESC(drv_ver, "Driver version told to the device (default 0x00010300); devices can be made to refuse one");

static int cipu_hw_set_stat(struct cipu *cipu, u8 stat)
{
	u8 now;
	int ret;

	writeb(stat, cipu->base + CIPU_DEV_STAT);
	ret = readb_poll_timeout(cipu->base + CIPU_DEV_STAT, now,
				 now == stat || PCI_POSSIBLE_ERROR(now),
				 CIPU_RESET_POLL_US, CIPU_RESET_TOUT_US);
	if (PCI_POSSIBLE_ERROR(now))
		ret = -ENODEV;
	else
		WRITE_ONCE(cipu->cached.dev_stat, now);
	if (ret)
		dev_err(&cipu->pdev->dev, "device state is %#x, not the %u asked for\n",
			now, stat);
	return ret;
}

/*
 * A register that does not take its value may belong to a device whose reset
 * has not settled, though dev_stat says so: asked again, ever more seldom.
 */
static int cipu_hw_write_checked(struct cipu *cipu, unsigned int reg, u32 val,
				 u32 *cached)
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
 * cipu_hw_set_thresh() - read the threshold the device wants counted
 * @cipu: the function
 *
 * It changes at run time. Zero is taken as "none", not as "count everything".
 */
void cipu_hw_set_thresh(struct cipu *cipu)
{
	unsigned long flags;
	u32 us = readl(cipu->base + CIPU_THRESH_US);

	if (PCI_POSSIBLE_ERROR(us) &&
	    PCI_POSSIBLE_ERROR(readb(cipu->base + CIPU_DEV_STAT)))
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
		dev_err(&cipu->pdev->dev, "timestamps from year %u on cannot be told as time\n",
			year);
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
	if (max_lat_ns != cipu->cached.max_lat_ns)
		dev_warn(&cipu->pdev->dev, "longest read of %u ns makes no sense, using %llu ns\n",
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

/**
 * cipu_hw_negotiate() - take the function from any state to FEATURE_OK
 * @cipu: the function
 * @features: what to accept of what it offers
 *
 * Every parameter is read again: a device that was reset may come back with
 * another epoch. Called under cipu->mutex, or before anyone else can know the
 * device.
 *
 * Return: 0, or why the device cannot be used.
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
		dev_err(dev, "device takes features %#x, not %#x\n", c->gst_feat, features);
		return ret;
	}

	ret = cipu_hw_write_checked(cipu, CIPU_ENV_VER,
				    CIPU_ENV_LINUX | (LINUX_VERSION_CODE & 0xffffff),
				    &c->env_ver);
	if (ret) {
		dev_err(dev, "device refuses this kernel's version\n");
		return ret;
	}

	ret = cipu_hw_write_checked(cipu, CIPU_DRV_VER, drv_ver, &c->drv_ver);
	if (ret) {
		dev_err(dev, "device refuses driver version %#010x: it blocks that one, module parameter drv_ver tells it another\n",
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
 * @cipu: the function, negotiated
 *
 * Return: 0, or the reason why it did not take DRIVER_OK.
 */
int cipu_hw_start(struct cipu *cipu)
{
	return cipu_hw_set_stat(cipu, CIPU_STAT_DRIVER_OK);
}

/**
 * cipu_hw_stop() - silence the function
 * @cipu: the function; may have gone already
 */
void cipu_hw_stop(struct cipu *cipu)
{
	u8 stat;

	writeb(CIPU_STAT_RESET, cipu->base + CIPU_DEV_STAT);
	/* Flushes the posted write: no interrupt is under way after it. */
	stat = readb(cipu->base + CIPU_DEV_STAT);
	if (!PCI_POSSIBLE_ERROR(stat))
		WRITE_ONCE(cipu->cached.dev_stat, stat);
}

/**
 * cipu_hw_restore_config() - give a function its configuration space back
 * @cipu: the function
 *
 * Losing power takes more than BAR 0's contents: without memory decoding the
 * registers read all ones, without bus mastering no MSI-X message leaves.
 */
void cipu_hw_restore_config(struct cipu *cipu)
{
	const u16 need = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	u16 cmd;

	pci_read_config_word(cipu->pdev, PCI_COMMAND, &cmd);
	if (PCI_POSSIBLE_ERROR(cmd) || (cmd & need) == need)
		return;

	pci_restore_state(cipu->pdev);
	pci_save_state(cipu->pdev);
	pci_set_master(cipu->pdev);
}
