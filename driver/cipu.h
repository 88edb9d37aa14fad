/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CIPU_H
#define CIPU_H

#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "cipu_compat.h"
#include "cipu_regs.h"

/**
 * enum cipu_state - what the driver may do with the function
 * @CIPU_LIVE: negotiated; readers get the time
 * @CIPU_ASLEEP: suspended, in reset, in error recovery, or not bound yet; the
 *	driver does not touch the registers
 * @CIPU_STALE: the function lost what was negotiated; the driver negotiates again
 * @CIPU_GONE: the function does not respond; the driver looks for it
 */
enum cipu_state {
	CIPU_LIVE,
	CIPU_ASLEEP,
	CIPU_STALE,
	CIPU_GONE,
};

/* The errno that readers get in this state. */
static inline int cipu_state_errno(enum cipu_state state)
{
	switch (state) {
	case CIPU_LIVE:
		return 0;
	case CIPU_GONE:
		return -ENODEV;
	default:
		return -EAGAIN;
	}
}

/**
 * struct cipu_cached - registers as last read, shown in sysfs
 * @dev_feat: features the device offers
 * @gst_feat: features accepted
 * @drv_ver: driver version reported to the device
 * @env_ver: kernel version reported to the device
 * @dev_stat: progress of the negotiation
 * @sync_stat: conditions of the clock
 * @tm_prec_ns: claimed precision
 * @epo_base_yr: year in which timestamps begin
 * @leap_sec: TAI minus UTC
 * @max_lat_ns: longest trustworthy read
 * @mt_tout_us: longest maintenance
 * @thresh_us: offset from system time above which the device wants reads counted
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
 * struct cipu_counters - events since the driver was bound
 * @gettm: gettime calls
 * @gettm_inval: calls that failed because the timestamp was marked invalid
 * @gettm_tout: calls that failed because the read took longer than max_lat_ns
 * @gettm_thresh: successful calls, further than thresh_us from system time
 * @gettm_blocked: calls that failed in the block window, without a read
 * @gettm_offline: calls that failed because the state is not CIPU_LIVE
 * @gettm_retry: timestamp reads after the first of a call
 * @clk_abn: times that "atomic clock abnormal" was set
 * @clk_abn_rec: times that it was cleared
 * @maint: times that "maintenance" was set
 * @maint_rec: times that it was cleared
 * @maint_tout: maintenances that lasted longer than mt_tout_us
 * @busy: times that "device busy" was set
 * @busy_rec: times that it was cleared
 * @err: times that "device error" was set
 * @err_rec: times that it was cleared
 * @renegotiated: negotiations after the first
 *
 * cipu->lock protects gettm*, cipu->mutex the others.
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
 * @pdev: the PCI function
 * @base: BAR 0
 * @info: callbacks of the PTP clock
 * @clock: the PTP clock; keeps its index for as long as the driver is bound
 * @irqs: both vectors are requested; without them sync_stat is polled
 * @cached: registers for sysfs
 * @count: counters for sysfs
 * @log: limits messages that repeated negotiations cause
 *
 * @lock: keeps interrupts off during the bracketed read, also on PREEMPT_RT,
 *	and protects everything up to @event_after. Innermost lock.
 * @state: written under @mutex and @lock, except that a reader may close a live
 *	clock under @lock alone
 * @base_ns: epoch of the timestamps, since 1970
 * @max_lat_ns: longest trustworthy read, validated
 * @thresh_ns: offset above which reads are counted, validated
 * @fails: failed gettime calls in a row
 * @fail_ns: duration of the failed reads since the last good one
 * @block_until: raw time until which calls fail without a read
 * @last_dev_ns: last good timestamp
 * @last_raw_ns: raw system time of @last_dev_ns; 0 for none
 * @last_latency_ns: duration of that read
 * @event_after: raw time before which invalid timestamps queue no more work
 *
 * @mutex: serialises negotiations and the handling of events
 * @gone_reported: the log has this disappearance already
 * @retry_wait: delay before the next attempt to negotiate, jiffies
 * @mt_tout: longest maintenance, jiffies, validated
 * @maint_deadline: when to report the overdue maintenance next, jiffies
 * @maint_wait: delay before the report after that, jiffies
 * @maint_since: start of the maintenance, jiffies
 * @maint_late: this maintenance has lasted longer than mt_tout_us
 * @event_work: checks the function after a failed read
 * @poll_work: checks the function periodically
 * @overdue_work: ends a PCI error recovery that does not finish
 */
struct cipu {
	struct pci_dev *pdev;
	void __iomem *base;
	struct ptp_clock_info info;
	struct ptp_clock *clock;
	bool irqs;
	struct cipu_cached cached;
	struct cipu_counters count;
	struct ratelimit_state log;

	raw_spinlock_t lock;
	enum cipu_state state;
	s64 base_ns;
	u64 max_lat_ns;
	u64 thresh_ns;
	unsigned int fails;
	u64 fail_ns;
	u64 block_until;
	u64 last_dev_ns;
	u64 last_raw_ns;
	u64 last_latency_ns;
	u64 event_after;

	struct mutex mutex;	/* see above */
	bool gone_reported;
	unsigned long retry_wait;
	unsigned long mt_tout;
	unsigned long maint_deadline;
	unsigned long maint_wait;
	unsigned long maint_since;
	bool maint_late;
	struct work_struct event_work;
	struct delayed_work poll_work;
	struct delayed_work overdue_work;
};

/* sysfs reads counters without the lock under which they are written. */
static inline void cipu_inc(u64 *counter)
{
	WRITE_ONCE(*counter, *counter + 1);
}

/* A negotiation that fails for days must not fill the log. */
static inline bool cipu_may_log(struct cipu *cipu)
{
	return __ratelimit(&cipu->log);
}

/*
 * Each file calls only those above it: clock, hw, event, watch, life, main.
 */

/* cipu_clock.c */
extern const struct ptp_clock_info cipu_clock_info;
void cipu_clock_set_state(struct cipu *cipu, enum cipu_state state);
void cipu_clock_unblock(struct cipu *cipu);

/* cipu_hw.c */
int cipu_hw_negotiate(struct cipu *cipu, u32 features);
int cipu_hw_start(struct cipu *cipu);
void cipu_hw_stop(struct cipu *cipu);
bool cipu_hw_present(struct cipu *cipu);
void cipu_hw_restore_config(struct cipu *cipu);
void cipu_hw_set_thresh(struct cipu *cipu);

/* cipu_event.c */
void cipu_event_sync(struct cipu *cipu);
void cipu_event_check_maint(struct cipu *cipu);

/* cipu_watch.c */
void cipu_watch_init(struct cipu *cipu);
int cipu_watch_request_irqs(struct cipu *cipu);
void cipu_watch_free_irqs(struct cipu *cipu);
int cipu_watch_go_live(struct cipu *cipu);
int cipu_watch_bring_up(struct cipu *cipu);
void cipu_watch_start(struct cipu *cipu);
void cipu_watch_stop(struct cipu *cipu);

/* cipu_life.c */
void cipu_take_down(struct cipu *cipu, enum cipu_state state);
extern const struct dev_pm_ops cipu_pm_ops;
extern const struct pci_error_handlers cipu_err_handlers;

/* cipu_sysfs.c */
extern const struct attribute_group *cipu_groups[];

#endif
