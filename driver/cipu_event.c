// SPDX-License-Identifier: GPL-2.0-or-later
/* The conditions that the function reports in sync_stat. */

#include <linux/jiffies.h>
#include <linux/lockdep.h>

#include "cipu.h"

/* Repeat the message about an overdue maintenance with exponential backoff. */
#define CIPU_MAINT_WAIT_MIN	HZ
#define CIPU_MAINT_WAIT_MAX	(300 * HZ)

/**
 * struct cipu_condition - a bit of sync_stat
 * @bit: the bit
 * @set: counter of times set, as an offset in struct cipu_counters
 * @clear: counter of times cleared, likewise
 * @name: name in messages
 * @means: consequence for readers of the clock
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
		       "do not trust the time"),
	CIPU_CONDITION(CIPU_SYNC_BUSY, busy, "device busy",
		       "reads may fail for a while"),
	CIPU_CONDITION(CIPU_SYNC_ERR, err, "device error",
		       "reads fail or return wrong time"),
};

static void cipu_event_count(struct cipu *cipu, size_t offset)
{
	cipu_inc((void *)&cipu->count + offset);
}

static void cipu_event_maint_begin(struct cipu *cipu)
{
	cipu->maint_since = jiffies;
	cipu->maint_deadline = jiffies + cipu->mt_tout;
	cipu->maint_wait = clamp_t(unsigned long, cipu->mt_tout, CIPU_MAINT_WAIT_MIN,
				   CIPU_MAINT_WAIT_MAX);
	cipu->maint_late = false;
}

/**
 * cipu_event_check_maint() - report a maintenance that lasts too long
 * @cipu: the function
 */
void cipu_event_check_maint(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->mutex);

	if (!(cipu->cached.sync_stat & CIPU_SYNC_MAINT) ||
	    time_before(jiffies, cipu->maint_deadline))
		return;

	if (!cipu->maint_late)
		cipu_inc(&cipu->count.maint_tout);
	cipu->maint_late = true;

	dev_warn(&cipu->pdev->dev,
		 "maintenance has lasted %u ms instead of at most %u ms: reads may fail until it ends\n",
		 jiffies_to_msecs(jiffies - cipu->maint_since), jiffies_to_msecs(cipu->mt_tout));

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
			dev_info_ratelimited(dev, "%s: ended\n", c->name);
		}
	}

	if (changed & now & CIPU_SYNC_MAINT)
		cipu_event_maint_begin(cipu);
	if (changed && !(now & CIPU_SYNC_ANY))
		cipu_clock_unblock(cipu);
}

/**
 * cipu_event_sync() - read sync_stat and count what changed
 * @cipu: the function, negotiated
 */
void cipu_event_sync(struct cipu *cipu)
{
	u8 now = readb(cipu->base + CIPU_SYNC_STAT);

	lockdep_assert_held(&cipu->mutex);

	/* All ones means that no device responded, not four events. */
	if (!PCI_POSSIBLE_ERROR(now))
		cipu_event_apply(cipu, now);
}
