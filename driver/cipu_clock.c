// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading the clock. One function reads it, and the PTP callbacks wrap that. */

#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>

#include "cipu.h"

/* A transient bad read must not fail an ioctl of 25 samples. */
#define CIPU_READ_TRIES		3

/* Stop reading for a while after so many failed calls, or so much time in failed reads. */
#define CIPU_BLOCK_AFTER	8
#define CIPU_STUCK_NS		(50 * NSEC_PER_MSEC)
#define CIPU_BLOCK_NS		(100 * NSEC_PER_MSEC)

/* Invalid timestamps trigger a read of sync_stat, but not more often than this. */
#define CIPU_EVENT_GAP_NS	(100 * NSEC_PER_MSEC)

/* Between device and raw system time, a difference above both is not drift. */
#define CIPU_JUMP_NS		NSEC_PER_MSEC
#define CIPU_JUMP_SHIFT		10	/* about 1000 ppm */

/**
 * enum cipu_verdict - result of one attempt to read the clock
 * @CIPU_GOOD: the timestamp is valid
 * @CIPU_INVALID: the timestamp is marked invalid, or is out of range
 * @CIPU_LATE: the read took too long for the timestamp to be trusted
 * @CIPU_ONES: the read returned all ones
 * @CIPU_LOST: the device lost its state; the timestamp may have another epoch
 * @CIPU_BLOCKED: not read: too many reads failed recently
 * @CIPU_CLOSED: not read: the function is not available
 */
enum cipu_verdict {
	CIPU_GOOD,
	CIPU_INVALID,
	CIPU_LATE,
	CIPU_ONES,
	CIPU_LOST,
	CIPU_BLOCKED,
	CIPU_CLOSED,
};

/**
 * struct cipu_sample - device time with its system bracket
 * @dev_ns: device time, since 1970
 * @real_ns: CLOCK_REALTIME at the end of the read
 * @raw_ns: CLOCK_MONOTONIC_RAW at the end of the read
 * @latency_ns: duration of the read
 */
struct cipu_sample {
	u64 dev_ns;
	u64 real_ns;
	u64 raw_ns;
	u64 latency_ns;
};

static struct cipu *cipu_of(struct ptp_clock_info *info)
{
	return container_of(info, struct cipu, info);
}

/*
 * A function that lost power forgets the negotiated epoch, so its timestamps
 * are decades off. That shows as a jump. The first sample after a negotiation
 * has nothing to be compared with, so it always costs one more register read.
 */
static bool cipu_clock_lost_state(struct cipu *cipu, const struct cipu_sample *s)
{
	u64 dev_ns = s->dev_ns - cipu->last_dev_ns;
	u64 raw_ns = s->raw_ns - cipu->last_raw_ns;
	u64 slack_ns = CIPU_JUMP_NS + (raw_ns >> CIPU_JUMP_SHIFT);
	u8 stat;

	lockdep_assert_held(&cipu->lock);

	/* The device may sample its clock anywhere inside the bracket. */
	slack_ns += s->latency_ns + cipu->last_latency_ns;
	if (cipu->last_raw_ns && abs((s64)(dev_ns - raw_ns)) <= slack_ns)
		return false;

	stat = readb(cipu->base + CIPU_DEV_STAT);
	return stat == CIPU_STAT_RESET || PCI_POSSIBLE_ERROR(stat);
}

/**
 * cipu_clock_sample() - read device time with its system bracket, once
 * @cipu: the function
 * @s: result; latency_ns and raw_ns are valid also for a bad read
 * @sts: the caller's bracket, in any clock; may be NULL
 *
 * The caller's bracket is only passed on. The driver measures the latency in
 * raw time, which cannot be stepped.
 *
 * Return: the verdict on this read.
 */
static enum cipu_verdict cipu_clock_sample(struct cipu *cipu, struct cipu_sample *s,
					   struct ptp_system_timestamp *sts)
{
	u64 start_ns, tstamp;

	lockdep_assert_held(&cipu->lock);

	start_ns = ktime_get_raw_ns();
	ptp_read_system_prets(sts);
	tstamp = readq(cipu->base + CIPU_TSTAMP_NS);
	ptp_read_system_postts(sts);
	s->raw_ns = ktime_get_raw_ns();
	s->real_ns = ktime_get_real_ns();
	s->latency_ns = s->raw_ns - start_ns;

	if (PCI_POSSIBLE_ERROR(tstamp))
		return CIPU_ONES;
	if (tstamp & CIPU_TSTAMP_INVALID)
		return CIPU_INVALID;
	if (s->latency_ns > cipu->max_lat_ns)
		return CIPU_LATE;

	tstamp &= CIPU_TSTAMP_MASK;
	if (tstamp > KTIME_MAX - cipu->base_ns)
		return CIPU_INVALID;
	s->dev_ns = cipu->base_ns + tstamp;

	if (cipu_clock_lost_state(cipu, s))
		return CIPU_LOST;

	cipu->last_dev_ns = s->dev_ns;
	cipu->last_raw_ns = s->raw_ns;
	cipu->last_latency_ns = s->latency_ns;
	return CIPU_GOOD;
}

static void cipu_clock_count_thresh(struct cipu *cipu, const struct cipu_sample *s)
{
	s64 off_ns = s->dev_ns - (s->real_ns - s->latency_ns / 2);

	if (abs(off_ns) > cipu->thresh_ns)
		cipu_inc(&cipu->count.gettm_thresh);
}

/*
 * Whether the register may be read. Decided under cipu->lock, so that readers
 * that queue behind a slow read do not start another one.
 */
static enum cipu_verdict cipu_clock_gate(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->lock);

	if (cipu->state != CIPU_LIVE || pci_channel_offline(cipu->pdev))
		return CIPU_CLOSED;
	if (cipu->block_until && ktime_get_raw_ns() < cipu->block_until)
		return CIPU_BLOCKED;
	return CIPU_GOOD;
}

/* Whether to read again. A bad read that is not retried extends the run of failures. */
static bool cipu_clock_retry(struct cipu *cipu, const struct cipu_sample *s,
			     enum cipu_verdict verdict, unsigned int tries)
{
	bool stuck;

	lockdep_assert_held(&cipu->lock);

	if (verdict != CIPU_INVALID && verdict != CIPU_LATE && verdict != CIPU_ONES)
		return false;

	cipu->fail_ns += s->latency_ns;
	stuck = cipu->fail_ns >= CIPU_STUCK_NS;

	/* While every read fails, one per call is enough to notice the end of it. */
	if (!stuck && tries < CIPU_READ_TRIES && cipu->fails < CIPU_BLOCK_AFTER) {
		cipu_inc(&cipu->count.gettm_retry);
		return true;
	}

	if (cipu->fails < CIPU_BLOCK_AFTER)
		cipu->fails++;
	if (cipu->fails == CIPU_BLOCK_AFTER || stuck)
		cipu->block_until = s->raw_ns + CIPU_BLOCK_NS;
	return false;
}

/*
 * A single read of all ones can be a lost reply. The function is gone only if
 * another register and the configuration space agree.
 */
static bool cipu_clock_gone(struct cipu *cipu)
{
	return PCI_POSSIBLE_ERROR(readb(cipu->base + CIPU_DEV_STAT)) &&
	       !pci_device_is_present(cipu->pdev);
}

static int cipu_clock_fail_closed(struct cipu *cipu)
{
	cipu_inc(&cipu->count.gettm_offline);
	if (cipu->state != CIPU_LIVE)
		return cipu_state_errno(cipu->state);
	/* The PCI core knows of an error that the driver has not been notified of yet. */
	return cipu->pdev->error_state == pci_channel_io_perm_failure ? -ENODEV : -EAGAIN;
}

/*
 * Close a live clock until the event work has checked the function. The work is
 * queued under the lock: after cipu_clock_set_state() no reader queues any.
 */
static int cipu_clock_close(struct cipu *cipu, enum cipu_state state)
{
	WRITE_ONCE(cipu->state, state);
	schedule_work(&cipu->event_work);
	return cipu_clock_fail_closed(cipu);
}

/* A standing fault must not turn many reads into as much work. */
static void cipu_clock_ask_why(struct cipu *cipu, u64 now_ns)
{
	if (now_ns < cipu->event_after)
		return;
	cipu->event_after = now_ns + CIPU_EVENT_GAP_NS;
	schedule_work(&cipu->event_work);
}

/**
 * cipu_clock_finish() - count a call and act on the verdict of its last read
 * @cipu: the function
 * @s: the sample
 * @verdict: of that sample, from the same hold of cipu->lock
 *
 * Return: 0 or the errno for user space.
 */
static int cipu_clock_finish(struct cipu *cipu, const struct cipu_sample *s,
			     enum cipu_verdict verdict)
{
	lockdep_assert_held(&cipu->lock);

	switch (verdict) {
	case CIPU_GOOD:
		cipu->fails = 0;
		cipu->fail_ns = 0;
		cipu->block_until = 0;
		cipu_clock_count_thresh(cipu, s);
		return 0;
	case CIPU_BLOCKED:
		cipu_inc(&cipu->count.gettm_blocked);
		return -EBUSY;
	case CIPU_CLOSED:
		return cipu_clock_fail_closed(cipu);
	case CIPU_LOST:
		return cipu_clock_close(cipu, CIPU_STALE);
	case CIPU_LATE:
		cipu_inc(&cipu->count.gettm_tout);
		return -EIO;
	case CIPU_ONES:
		if (cipu_clock_gone(cipu))
			return cipu_clock_close(cipu, CIPU_GONE);
		fallthrough;
	case CIPU_INVALID:
		break;
	}
	cipu_inc(&cipu->count.gettm_inval);
	cipu_clock_ask_why(cipu, s->raw_ns);
	return -EIO;
}

/**
 * cipu_clock_read() - the only way to device time
 * @cipu: the function
 * @s: result, valid on success
 * @sts: the caller's system bracket, or NULL
 *
 * Interrupts are off between the two system times and during the read, but not
 * between retries, and not while another reader has the lock: with many
 * readers of a slow device those waits would add up. Any context except NMI.
 *
 * Return: 0, or -EIO, -EBUSY, -EAGAIN or -ENODEV.
 */
static int cipu_clock_read(struct cipu *cipu, struct cipu_sample *s,
			   struct ptp_system_timestamp *sts)
{
	enum cipu_verdict verdict;
	unsigned int tries = 0;
	unsigned long flags;
	int ret = 0;
	bool again;

	do {
		while (!raw_spin_trylock_irqsave(&cipu->lock, flags))
			cpu_relax();
		if (!tries++)
			cipu_inc(&cipu->count.gettm);

		verdict = cipu_clock_gate(cipu);
		if (verdict == CIPU_GOOD)
			verdict = cipu_clock_sample(cipu, s, sts);
		again = cipu_clock_retry(cipu, s, verdict, tries);
		if (!again)
			ret = cipu_clock_finish(cipu, s, verdict);
		raw_spin_unlock_irqrestore(&cipu->lock, flags);
	} while (again);

	return ret;
}

static void cipu_clock_reset_failures(struct cipu *cipu)
{
	lockdep_assert_held(&cipu->lock);

	cipu->fails = 0;
	cipu->fail_ns = 0;
	cipu->block_until = 0;
}

/**
 * cipu_clock_set_state() - open or close the clock
 * @cipu: the function
 * @state: the new state
 *
 * Unless @state is CIPU_LIVE, no reader touches the registers after the return.
 */
void cipu_clock_set_state(struct cipu *cipu, enum cipu_state state)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cipu->lock, flags);
	WRITE_ONCE(cipu->state, state);
	cipu_clock_reset_failures(cipu);
	/* Raw time stops in suspend, and the epoch may have changed. */
	cipu->last_raw_ns = 0;
	raw_spin_unlock_irqrestore(&cipu->lock, flags);
}

/**
 * cipu_clock_unblock() - end the block window
 * @cipu: the function, without a condition that explains failures
 */
void cipu_clock_unblock(struct cipu *cipu)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cipu->lock, flags);
	cipu_clock_reset_failures(cipu);
	raw_spin_unlock_irqrestore(&cipu->lock, flags);
}

static int cipu_gettimex64(struct ptp_clock_info *info, struct timespec64 *ts,
			   struct ptp_system_timestamp *sts)
{
	struct cipu *cipu = cipu_of(info);
	struct cipu_sample s;
	int ret;

	ret = cipu_clock_read(cipu, &s, sts);
	if (ret)
		return ret;

	*ts = ns_to_timespec64(s.dev_ns);
	return 0;
}

/* The clock is read only. The core calls these without a check for NULL. */

static int cipu_settime64(struct ptp_clock_info *info, const struct timespec64 *ts)
{
	return -EOPNOTSUPP;
}

static int cipu_adjtime(struct ptp_clock_info *info, s64 delta)
{
	return -EOPNOTSUPP;
}

static int cipu_adjfine(struct ptp_clock_info *info, long scaled_ppm)
{
	return -EOPNOTSUPP;
}

static int cipu_enable(struct ptp_clock_info *info, struct ptp_clock_request *req, int on)
{
	return -EOPNOTSUPP;
}

const struct ptp_clock_info cipu_clock_info = {
	.owner		= THIS_MODULE,
	.name		= "ptp_cipu",
	.gettimex64	= cipu_gettimex64,
	.settime64	= cipu_settime64,
	.adjtime	= cipu_adjtime,
	.adjfine	= cipu_adjfine,
	.enable		= cipu_enable,
};
