// SPDX-License-Identifier: GPL-2.0-or-later
/* Keeping the function in use: interrupts, periodic checks, new negotiations. */

#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>

#include "cipu.h"

/* With interrupts, the check only finds what raises none, such as lost power. */
#define CIPU_WATCH_IRQ		(10 * HZ)
#define CIPU_WATCH_POLL		HZ
#define CIPU_RETRY_MIN		HZ
#define CIPU_RETRY_MAX		(60 * HZ)
/* A check for presence costs one read of the configuration space. */
#define CIPU_RETRY_GONE		(2 * HZ)

#define CIPU_LOG_INTERVAL	(600 * HZ)
#define CIPU_LOG_BURST		10

/* Whether the function is still the one that was negotiated with. */
static bool cipu_watch_check_state(struct cipu *cipu)
{
	u8 stat;

	lockdep_assert_held(&cipu->mutex);

	if (READ_ONCE(cipu->state) != CIPU_LIVE)
		return false;

	stat = readb(cipu->base + CIPU_DEV_STAT);
	if (PCI_POSSIBLE_ERROR(stat)) /* may be a lost reply */
		stat = readb(cipu->base + CIPU_DEV_STAT);
	if (stat == CIPU_STAT_DRIVER_OK)
		return true;

	if (!cipu_hw_present(cipu)) {
		cipu_clock_set_state(cipu, CIPU_GONE);
		return false;
	}
	WRITE_ONCE(cipu->cached.dev_stat, stat);
	cipu_clock_set_state(cipu, CIPU_STALE);
	return false;
}

/**
 * cipu_watch_go_live() - enable interrupts and open the clock to readers
 * @cipu: the function, in FEATURE_OK
 *
 * Return: 0 or a negative errno.
 */
int cipu_watch_go_live(struct cipu *cipu)
{
	int ret;

	lockdep_assert_held(&cipu->mutex);

	ret = cipu_hw_start(cipu);
	if (ret)
		return ret;

	/* Changes before DRIVER_OK raised no interrupt. */
	cipu_hw_set_thresh(cipu);
	cipu_event_sync(cipu);
	/* The PCI core restores a saved state only once; a reset or a sleep has used it. */
	pci_save_state(cipu->pdev);
	cipu_clock_set_state(cipu, CIPU_LIVE);
	return 0;
}

/**
 * cipu_watch_bring_up() - negotiate again and open the clock to readers
 * @cipu: the function
 *
 * Return: 0 or a negative errno; then the clock stays closed.
 */
int cipu_watch_bring_up(struct cipu *cipu)
{
	u32 features = CIPU_DRV_CAP;
	int ret;

	lockdep_assert_held(&cipu->mutex);

	if (!cipu->irqs)
		features &= ~CIPU_FEAT_IRQ;

	ret = cipu_hw_negotiate(cipu, features);
	if (!ret)
		ret = cipu_watch_go_live(cipu);
	if (ret)
		return ret;

	cipu_inc(&cipu->count.renegotiated);
	return 0;
}

static void cipu_watch_recover(struct cipu *cipu)
{
	struct device *dev = &cipu->pdev->dev;

	lockdep_assert_held(&cipu->mutex);

	if (!cipu_hw_present(cipu)) {
		if (!cipu->gone_reported)
			dev_err(dev, "function is gone: no time until it responds again\n");
		cipu->gone_reported = true;
		WRITE_ONCE(cipu->cached.dev_stat, CIPU_STAT_RESET);
		cipu_clock_set_state(cipu, CIPU_GONE);
		cipu->retry_wait = CIPU_RETRY_GONE;
		return;
	}

	if (cipu->gone_reported)
		dev_info(dev, "function responds again\n");
	else if (cipu->retry_wait == CIPU_RETRY_MIN && cipu_may_log(cipu))
		dev_warn(dev, "function lost its state: no time until it is negotiated again\n");
	cipu->gone_reported = false;
	cipu_clock_set_state(cipu, CIPU_STALE);

	cipu_hw_restore_config(cipu);
	if (!cipu_watch_bring_up(cipu)) {
		if (cipu_may_log(cipu))
			dev_info(dev, "negotiated again, the clock can be read\n");
		cipu->retry_wait = CIPU_RETRY_MIN;
		return;
	}
	cipu->retry_wait = min_t(unsigned long, 2 * cipu->retry_wait, CIPU_RETRY_MAX);
}

/* How long the function needs no check. */
static unsigned long cipu_watch_delay(struct cipu *cipu)
{
	u8 sync = cipu->cached.sync_stat & CIPU_SYNC_ANY;
	unsigned long delay = CIPU_WATCH_POLL;
	u32 announced_by = CIPU_FEAT_IRQ_ABN;

	if (READ_ONCE(cipu->state) != CIPU_LIVE)
		return cipu->retry_wait;

	if (sync)
		announced_by = CIPU_FEAT_IRQ_REC;
	if (cipu->irqs && (cipu->cached.gst_feat & announced_by))
		delay = CIPU_WATCH_IRQ;

	if (sync & CIPU_SYNC_MAINT) {
		if (time_after_eq(jiffies, cipu->maint_deadline))
			return 0;
		delay = min(delay, cipu->maint_deadline - jiffies);
	}
	return delay;
}

static void cipu_watch_rearm(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->mutex);

	/* Has no effect on running work: that rearms itself, under the mutex. */
	cancel_delayed_work(&cipu->poll_work);
	schedule_delayed_work(&cipu->poll_work, cipu_watch_delay(cipu));
}

static void cipu_watch_look(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->mutex);

	if (READ_ONCE(cipu->state) == CIPU_ASLEEP)
		return;

	if (cipu_watch_check_state(cipu)) {
		cipu_hw_set_thresh(cipu);
		cipu_event_sync(cipu);
		cipu_event_check_maint(cipu);
	} else {
		cipu_watch_recover(cipu);
	}
	cipu_watch_rearm(cipu);
}

static void cipu_event_work(struct work_struct *work)
{
	struct cipu *cipu = container_of(work, struct cipu, event_work);

	mutex_lock(&cipu->mutex);
	cipu_watch_look(cipu);
	mutex_unlock(&cipu->mutex);
}

static void cipu_poll_work(struct work_struct *work)
{
	struct cipu *cipu = container_of(to_delayed_work(work), struct cipu, poll_work);

	mutex_lock(&cipu->mutex);
	cipu_watch_look(cipu);
	mutex_unlock(&cipu->mutex);
}

/*
 * The PCI core does not notify a driver when the recovery fails because of
 * another device. Without this, readers would get -EAGAIN until the driver is unbound.
 */
static void cipu_overdue_work(struct work_struct *work)
{
	struct cipu *cipu = container_of(to_delayed_work(work), struct cipu, overdue_work);

	mutex_lock(&cipu->mutex);
	if (READ_ONCE(cipu->state) == CIPU_ASLEEP) {
		dev_err(&cipu->pdev->dev,
			"PCI error recovery did not finish: the driver checks the function itself\n");
		cipu_clock_set_state(cipu, CIPU_STALE);
		cipu_watch_look(cipu);
	}
	mutex_unlock(&cipu->mutex);
}

static irqreturn_t cipu_thresh_thread(int irq, void *data)
{
	struct cipu *cipu = data;

	mutex_lock(&cipu->mutex);
	if (READ_ONCE(cipu->state) == CIPU_LIVE)
		cipu_hw_set_thresh(cipu);
	mutex_unlock(&cipu->mutex);
	return IRQ_HANDLED;
}

static irqreturn_t cipu_sync_thread(int irq, void *data)
{
	struct cipu *cipu = data;

	mutex_lock(&cipu->mutex);
	if (READ_ONCE(cipu->state) == CIPU_LIVE) {
		cipu_event_sync(cipu);
		cipu_watch_rearm(cipu);
	}
	mutex_unlock(&cipu->mutex);
	return IRQ_HANDLED;
}

/**
 * cipu_watch_request_irqs() - request both vectors
 * @cipu: the function; cipu->mutex is not held, because freeing a vector waits
 *	for a handler that may take it
 *
 * Return: 0, or a negative errno without any vector requested.
 */
int cipu_watch_request_irqs(struct cipu *cipu)
{
	struct pci_dev *pdev = cipu->pdev;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, CIPU_NUM_VECS, CIPU_NUM_VECS, PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;

	ret = pci_request_irq(pdev, CIPU_VEC_THRESH, NULL, cipu_thresh_thread, cipu,
			      "ptp_cipu-thresh@%s", pci_name(pdev));
	if (ret)
		goto free_vectors;

	ret = pci_request_irq(pdev, CIPU_VEC_SYNC, NULL, cipu_sync_thread, cipu, "ptp_cipu-sync@%s",
			      pci_name(pdev));
	if (ret)
		goto free_thresh;

	cipu->irqs = true;
	return 0;

free_thresh:
	pci_free_irq(pdev, CIPU_VEC_THRESH, cipu);
free_vectors:
	pci_free_irq_vectors(pdev);
	return ret;
}

/**
 * cipu_watch_free_irqs() - free the vectors, if they were requested
 * @cipu: the function; cipu->mutex is not held, a handler may wait for it
 */
void cipu_watch_free_irqs(struct cipu *cipu)
{
	if (!cipu->irqs)
		return;

	pci_free_irq(cipu->pdev, CIPU_VEC_SYNC, cipu);
	pci_free_irq(cipu->pdev, CIPU_VEC_THRESH, cipu);
	pci_free_irq_vectors(cipu->pdev);
	cipu->irqs = false;
}

/**
 * cipu_watch_start() - start the periodic checks
 * @cipu: the function; its state is not CIPU_ASLEEP
 */
void cipu_watch_start(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->mutex);

	cipu->retry_wait = CIPU_RETRY_MIN;
	cipu_watch_rearm(cipu);
}

/**
 * cipu_watch_stop() - stop the checks
 * @cipu: the function, asleep or gone; cipu->mutex is not held
 */
void cipu_watch_stop(struct cipu *cipu)
{
	cancel_work_sync(&cipu->event_work);
	cancel_delayed_work_sync(&cipu->poll_work);
}

/**
 * cipu_watch_init() - set up what needs no access to the function
 * @cipu: the function
 */
void cipu_watch_init(struct cipu *cipu)
{
	cipu->retry_wait = CIPU_RETRY_MIN;
	ratelimit_state_init(&cipu->log, CIPU_LOG_INTERVAL, CIPU_LOG_BURST);
	INIT_WORK(&cipu->event_work, cipu_event_work);
	INIT_DELAYED_WORK(&cipu->poll_work, cipu_poll_work);
	INIT_DELAYED_WORK(&cipu->overdue_work, cipu_overdue_work);
}
