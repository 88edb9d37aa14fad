/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CIPU_H
#define CIPU_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "cipu_compat.h"
#include "cipu_regs.h"

/**
 * struct cipu_cached - registers as last read, the way sysfs shows them
 * @dev_feat: features the device offers
 * @gst_feat: features accepted
 * @drv_ver: driver version told to the device
 * @env_ver: kernel version told to the device
 * @dev_stat: state of the handshake
 * @sync_stat: what is wrong with the clock
 * @tm_prec_ns: claimed precision
 * @epo_base_yr: year that timestamps count from
 * @leap_sec: TAI minus UTC
 * @max_lat_ns: longest trustworthy read
 * @mt_tout_us: longest maintenance
 * @thresh_us: PHC against system time, above which the device wants it counted
 */
struct cipu_cached {
	u32 dev_feat;
	u32 gst_feat;
	u32 drv_ver;
	u32 env_ver;
	u32 dev_stat;
	u32 sync_stat;
	u32 tm_prec_ns;
	u32 epo_base_yr;
	u32 leap_sec;
	u32 max_lat_ns;
	u32 mt_tout_us;
	u32 thresh_us;
};

/**
 * struct cipu_counters - events since the module was bound
 * @gettm: gettime calls
 * @gettm_inval: calls refused: the timestamp was marked invalid
 * @gettm_tout: calls refused: the read took longer than max_lat_ns
 * @gettm_thresh: calls answered, further than thresh_us from system time
 * @gettm_blocked: calls refused unread, in the block window
 * @gettm_offline: calls refused: the function is gone, asleep or in reset
 * @gettm_retry: timestamp reads beyond the first of their call
 * @clk_abn: atomic clock abnormal, set
 * @clk_abn_rec: and cleared
 * @maint: maintenance, set
 * @maint_rec: and cleared
 * @maint_tout: maintenances that outlasted mt_tout_us
 * @busy: device busy, set
 * @busy_rec: and cleared
 * @err: device error, set
 * @err_rec: and cleared
 * @renegotiated: handshakes after the first
 *
 * gettm* belong to cipu->lock, the rest to cipu->mutex.
 */
struct cipu_counters {
	u64 gettm;
	u64 gettm_inval;
	u64 gettm_tout;
	u64 gettm_thresh;
	u64 gettm_blocked;
	u64 gettm_offline;
	u64 gettm_retry;
	u64 clk_abn;
	u64 clk_abn_rec;
	u64 maint;
	u64 maint_rec;
	u64 maint_tout;
	u64 busy;
	u64 busy_rec;
	u64 err;
	u64 err_rec;
	u64 renegotiated;
};

/**
 * struct cipu - one CIPU clock function
 * @pdev: the function
 * @base: BAR 0
 * @info: callbacks of the PTP clock
 * @clock: the PTP clock; keeps its index for as long as the driver is bound
 * @irqs: both vectors are ours; without them sync_stat is polled
 * @cached: registers for sysfs
 * @count: counters for sysfs
 *
 * @lock: keeps interrupts out of the bracketed read, also on PREEMPT_RT, and
 *	guards everything up to @event_after. Innermost.
 * @status: 0, or the errno that readers get for as long as nobody may touch
 *	the registers: -EAGAIN asleep, in reset or not negotiated, -ENODEV gone
 * @base_ns: epoch of the timestamps, since 1970
 * @max_lat_ns: longest trustworthy read, checked
 * @thresh_ns: threshold to count at, checked
 * @fails: gettime calls failed in a row
 * @block_until: raw time up to which reads fail unread
 * @last_dev_ns: last good timestamp
 * @last_raw_ns: raw system time of that; 0 for none
 * @last_latency_ns: how long the read of that took
 * @event_after: raw time before which invalid timestamps queue no more work
 *
 * @mutex: serialises handshakes and the processing of events
 * @down: asleep or in reset: leave the function alone
 * @retry_wait: wait before the next try to negotiate anew, jiffies
 * @mt_tout: longest maintenance, jiffies, checked
 * @maint_deadline: when to complain about the maintenance next, jiffies
 * @maint_wait: wait before the complaint after that, jiffies
 * @maint_since: when the maintenance began, jiffies
 * @maint_late: this maintenance has outlasted mt_tout_us
 * @event_work: reads sync_stat after an invalid timestamp
 * @poll_work: looks after the function where no interrupt does
 */
struct cipu {
	struct pci_dev *pdev;
	void __iomem *base;
	struct ptp_clock_info info;
	struct ptp_clock *clock;
	bool irqs;
	struct cipu_cached cached;
	struct cipu_counters count;

	raw_spinlock_t lock;
	int status;
	s64 base_ns;
	u64 max_lat_ns;
	u64 thresh_ns;
	unsigned int fails;
	u64 block_until;
	u64 last_dev_ns;
	u64 last_raw_ns;
	u64 last_latency_ns;
	u64 event_after;

	struct mutex mutex;	/* see above */
	bool down;
	unsigned long retry_wait;
	unsigned long mt_tout;
	unsigned long maint_deadline;
	unsigned long maint_wait;
	unsigned long maint_since;
	bool maint_late;
	struct work_struct event_work;
	struct delayed_work poll_work;
};

/* Counters are read by sysfs without the lock that they are written under. */
static inline void cipu_inc(u64 *counter)
{
	WRITE_ONCE(*counter, *counter + 1);
}

/* cipu_hw.c */
int cipu_hw_negotiate(struct cipu *cipu, u32 features);
int cipu_hw_start(struct cipu *cipu);
void cipu_hw_stop(struct cipu *cipu);
void cipu_hw_restore_config(struct cipu *cipu);
void cipu_hw_set_thresh(struct cipu *cipu);

/* cipu_clock.c */
extern const struct ptp_clock_info cipu_clock_info;
void cipu_clock_set_status(struct cipu *cipu, int status);
void cipu_clock_unblock(struct cipu *cipu);

/* cipu_event.c */
void cipu_event_init(struct cipu *cipu);
int cipu_event_request_irqs(struct cipu *cipu);
void cipu_event_free_irqs(struct cipu *cipu);
void cipu_event_sync(struct cipu *cipu);
void cipu_event_watch(struct cipu *cipu);
void cipu_event_stop(struct cipu *cipu);

/* cipu_life.c */
int cipu_bring_up(struct cipu *cipu);
void cipu_take_down(struct cipu *cipu, int status);
extern const struct dev_pm_ops cipu_pm_ops;
extern const struct pci_error_handlers cipu_err_handlers;

/* cipu_sysfs.c */
extern const struct attribute_group *cipu_groups[];

#endif
