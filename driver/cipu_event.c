// SPDX-License-Identifier: GPL-2.0-or-later
/* What the function says about its clock, by interrupt or when asked. */

#include <linux/interrupt.h>
#include <linux/jiffies.h>

#include "cipu.h"

/* With interrupts this only finds what no interrupt tells of, like lost power. */
#define CIPU_WATCH_IRQ		(10 * HZ)
#define CIPU_WATCH_POLL		HZ
#define CIPU_RETRY_MIN		HZ
#define CIPU_RETRY_MAX		(60 * HZ)
/* Whether anybody is there again costs one read of the configuration space. */
#define CIPU_RETRY_GONE		(2 * HZ)

/* A maintenance that lasts too long is told of again, ever more seldom. */
#define CIPU_MAINT_WAIT_MIN	HZ
#define CIPU_MAINT_WAIT_MAX	(300 * HZ)

/**
 * struct cipu_condition - a bit of sync_stat
 * @bit: the bit
 * @set: counter of its rises, as an offset in struct cipu_counters
 * @clear: and of its falls
 * @name: for people
 * @means: what it means for readers of the clock
 */
struct cipu_condition {
	u8 bit;
	size_t set;
	size_t clear;
	const char *name;
	const char *means;
};

#define CIPU_CONDITION(_bit, _count, _name, _means) {		\
	.bit = (_bit),						\
	.set = offsetof(struct cipu_counters, _count),		\
	.clear = offsetof(struct cipu_counters, _count##_rec),	\
	.name = (_name),					\
	.means = (_means),					\
}

static const struct cipu_condition cipu_conditions[] = {
	CIPU_CONDITION(CIPU_SYNC_MAINT, maint, "maintenance",
		       "reads may fail until it ends"),
	CIPU_CONDITION(CIPU_SYNC_CLK_ABN, clk_abn, "atomic clock abnormal",
		       "the time shown is not to be trusted"),
	CIPU_CONDITION(CIPU_SYNC_BUSY, busy, "device busy",
		       "reads may fail for a while"),
	CIPU_CONDITION(CIPU_SYNC_ERR, err, "device error",
		       "reads fail or cannot be trusted"),
};

static void cipu_event_count(struct cipu *cipu, size_t offset)
{
	cipu_inc((void *)&cipu->count + offset);
}

static void cipu_event_maint_begin(struct cipu *cipu)
{
	cipu->maint_since = jiffies;
	cipu->maint_deadline = jiffies + cipu->mt_tout;
	cipu->maint_wait = clamp_t(unsigned long, cipu->mt_tout,
				   CIPU_MAINT_WAIT_MIN, CIPU_MAINT_WAIT_MAX);
	cipu->maint_late = false;
}

static void cipu_event_maint_check(struct cipu *cipu)
{
	if (!(cipu->cached.sync_stat & CIPU_SYNC_MAINT) ||
	    time_before(jiffies, cipu->maint_deadline))
		return;

	if (!cipu->maint_late)
		cipu_inc(&cipu->count.maint_tout);
	cipu->maint_late = true;

	dev_warn(&cipu->pdev->dev,
		 "maintenance has stood for %u ms, longer than the %u ms it may last: reads may fail until it ends\n",
		 jiffies_to_msecs(jiffies - cipu->maint_since),
		 jiffies_to_msecs(cipu->mt_tout));

	cipu->maint_deadline = jiffies + cipu->maint_wait;
	cipu->maint_wait = min_t(unsigned long, 2 * cipu->maint_wait, CIPU_MAINT_WAIT_MAX);
}

static void cipu_event_apply(struct cipu *cipu, u8 now)
{
	u8 changed = now ^ cipu->cached.sync_stat;
	struct device *dev = &cipu->pdev->dev;
	const struct cipu_condition *c;

	WRITE_ONCE(cipu->cached.sync_stat, now);

	for (c = cipu_conditions; c < cipu_conditions + ARRAY_SIZE(cipu_conditions); c++) {
		if (!(changed & c->bit))
			continue;
		if (now & c->bit) {
			cipu_event_count(cipu, c->set);
			dev_warn_ratelimited(dev, "%s: %s\n", c->name, c->means);
		} else {
			cipu_event_count(cipu, c->clear);
			dev_info_ratelimited(dev, "%s: over\n", c->name);
		}
	}

	if (changed & now & CIPU_SYNC_MAINT)
		cipu_event_maint_begin(cipu);
	if (changed && !(now & CIPU_SYNC_ANY))
		cipu_clock_unblock(cipu);
}

/**
 * cipu_event_sync() - read sync_stat and count what changed
 * @cipu: the function, negotiated; cipu->mutex is held
 */
void cipu_event_sync(struct cipu *cipu)
{
	u8 now = readb(cipu->base + CIPU_SYNC_STAT);

	/* Nobody answered: that is not four events. */
	if (!PCI_POSSIBLE_ERROR(now))
		cipu_event_apply(cipu, now);
}

/* Is the function still the one that was negotiated with? */
static bool cipu_event_check_state(struct cipu *cipu)
{
	struct device *dev = &cipu->pdev->dev;
	u8 stat;

	if (READ_ONCE(cipu->status))
		return false;

	stat = readb(cipu->base + CIPU_DEV_STAT);
	if (PCI_POSSIBLE_ERROR(stat))	/* a lost reply, perhaps */
		stat = readb(cipu->base + CIPU_DEV_STAT);
	if (stat == CIPU_STAT_DRIVER_OK)
		return true;

	if (!pci_device_is_present(cipu->pdev)) {
		cipu_clock_set_status(cipu, -ENODEV);
		return false;
	}
	WRITE_ONCE(cipu->cached.dev_stat, stat);
	cipu_clock_set_status(cipu, -EAGAIN);
	dev_warn(dev, "function was reset behind the driver's back: no time until negotiated again\n");
	return false;
}

static void cipu_event_recover(struct cipu *cipu)
{
	struct device *dev = &cipu->pdev->dev;

	if (!pci_device_is_present(cipu->pdev)) {
		if (cipu->cached.dev_stat != CIPU_STAT_RESET)
			dev_err(dev, "function is gone\n");
		WRITE_ONCE(cipu->cached.dev_stat, CIPU_STAT_RESET);
		cipu_clock_set_status(cipu, -ENODEV);
		cipu->retry_wait = CIPU_RETRY_GONE;
		return;
	}

	cipu_hw_restore_config(cipu);
	if (!cipu_bring_up(cipu)) {
		dev_info(dev, "negotiated again, the clock can be read\n");
		return;
	}
	cipu->retry_wait = min_t(unsigned long, 2 * cipu->retry_wait, CIPU_RETRY_MAX);
}

/* How long the function can be left alone. */
static unsigned long cipu_event_delay(struct cipu *cipu)
{
	u8 sync = cipu->cached.sync_stat & CIPU_SYNC_ANY;
	unsigned long delay = CIPU_WATCH_POLL;
	u32 told_of = CIPU_FEAT_IRQ_ABN;

	if (READ_ONCE(cipu->status))
		return cipu->retry_wait;

	if (sync)
		told_of = CIPU_FEAT_IRQ_REC;
	if (cipu->irqs && (cipu->cached.gst_feat & told_of))
		delay = CIPU_WATCH_IRQ;

	if (sync & CIPU_SYNC_MAINT) {
		if (time_after_eq(jiffies, cipu->maint_deadline))
			return 0;
		delay = min(delay, cipu->maint_deadline - jiffies);
	}
	return delay;
}

static void cipu_event_rearm(struct cipu *cipu)
{
	/* Does nothing to a running one: that rearms itself, with the mutex held. */
	cancel_delayed_work(&cipu->poll_work);
	schedule_delayed_work(&cipu->poll_work, cipu_event_delay(cipu));
}

/* Called with cipu->mutex held. */
static void cipu_event_look(struct cipu *cipu)
{
	if (cipu->down)
		return;

	if (cipu_event_check_state(cipu)) {
		cipu->retry_wait = CIPU_RETRY_MIN;
		cipu_hw_set_thresh(cipu);
		cipu_event_sync(cipu);
		cipu_event_maint_check(cipu);
	} else {
		cipu_event_recover(cipu);
	}
	cipu_event_rearm(cipu);
}

static void cipu_event_work(struct work_struct *work)
{
	struct cipu *cipu = container_of(work, struct cipu, event_work);

	mutex_lock(&cipu->mutex);
	cipu_event_look(cipu);
	mutex_unlock(&cipu->mutex);
}

static void cipu_poll_work(struct work_struct *work)
{
	struct cipu *cipu = container_of(to_delayed_work(work), struct cipu, poll_work);

	mutex_lock(&cipu->mutex);
	cipu_event_look(cipu);
	mutex_unlock(&cipu->mutex);
}

static irqreturn_t cipu_thresh_thread(int irq, void *data)
{
	struct cipu *cipu = data;

	mutex_lock(&cipu->mutex);
	if (!cipu->down && !READ_ONCE(cipu->status))
		cipu_hw_set_thresh(cipu);
	mutex_unlock(&cipu->mutex);
	return IRQ_HANDLED;
}

static irqreturn_t cipu_sync_thread(int irq, void *data)
{
	struct cipu *cipu = data;

	mutex_lock(&cipu->mutex);
	if (!cipu->down && !READ_ONCE(cipu->status)) {
		cipu_event_sync(cipu);
		cipu_event_rearm(cipu);
	}
	mutex_unlock(&cipu->mutex);
	return IRQ_HANDLED;
}

/**
 * cipu_event_request_irqs() - take both vectors
 * @cipu: the function
 *
 * Return: 0, or an error with none of them taken.
 */
int cipu_event_request_irqs(struct cipu *cipu)
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

	ret = pci_request_irq(pdev, CIPU_VEC_SYNC, NULL, cipu_sync_thread, cipu,
			      "ptp_cipu-sync@%s", pci_name(pdev));
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
 * cipu_event_free_irqs() - give the vectors back, if they were taken
 * @cipu: the function; cipu->mutex is not held, a handler may wait for it
 */
void cipu_event_free_irqs(struct cipu *cipu)
{
	if (!cipu->irqs)
		return;

	pci_free_irq(cipu->pdev, CIPU_VEC_SYNC, cipu);
	pci_free_irq(cipu->pdev, CIPU_VEC_THRESH, cipu);
	pci_free_irq_vectors(cipu->pdev);
	cipu->irqs = false;
}

/**
 * cipu_event_watch() - look after the function from now on
 * @cipu: the function, in DRIVER_OK; cipu->mutex is held
 */
void cipu_event_watch(struct cipu *cipu)
{
	cipu->retry_wait = CIPU_RETRY_MIN;
	cipu_event_rearm(cipu);
}

/**
 * cipu_event_stop() - stop looking after it
 * @cipu: the function; cipu->down is set, cipu->mutex is not held
 */
void cipu_event_stop(struct cipu *cipu)
{
	cancel_work_sync(&cipu->event_work);
	cancel_delayed_work_sync(&cipu->poll_work);
}

/**
 * cipu_event_init() - set up what can be set up before the function is known
 * @cipu: the function
 */
void cipu_event_init(struct cipu *cipu)
{
	cipu->retry_wait = CIPU_RETRY_MIN;
	INIT_WORK(&cipu->event_work, cipu_event_work);
	INIT_DELAYED_WORK(&cipu->poll_work, cipu_poll_work);
}
