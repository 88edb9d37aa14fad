// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading the clock: one function does it, the PTP callbacks wrap it. */

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>

#include "cipu.h"

/* A transient bad read must not fail an ioctl of 25 samples. */
#define CIPU_READ_TRIES		3

/* After so many failed calls in a row, or one read this long, stop asking. */
#define CIPU_BLOCK_AFTER	8
#define CIPU_STUCK_NS		(50 * NSEC_PER_MSEC)
#define CIPU_BLOCK_NS		(100 * NSEC_PER_MSEC)

/* Invalid timestamps have sync_stat re-read, but not more often than this. */
#define CIPU_EVENT_GAP_NS	(100 * NSEC_PER_MSEC)

/* Device against raw system time: further apart than both is no drift. */
#define CIPU_JUMP_NS		NSEC_PER_MSEC
#define CIPU_JUMP_SHIFT		10	/* about 1000 ppm */

/**
 * struct cipu_sample - device time with its system bracket
 * @dev_ns: device time, since 1970
 * @real_ns: CLOCK_REALTIME when the read came back
 * @raw_ns: CLOCK_MONOTONIC_RAW then
 * @latency_ns: how long the read took
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
 * A function that lost power forgets the negotiated epoch, and its timestamps
 * are then decades off. That shows as a jump, so only a jump is looked into.
 */
static bool cipu_clock_lost_state(struct cipu *cipu, const struct cipu_sample *s)
{
	u64 dev_ns = s->dev_ns - cipu->last_dev_ns;
	u64 raw_ns = s->raw_ns - cipu->last_raw_ns;
	u64 slack_ns = CIPU_JUMP_NS + (raw_ns >> CIPU_JUMP_SHIFT);
	u8 stat;

	/* When in its bracket the device looked at its clock is not known. */
	slack_ns += s->latency_ns + cipu->last_latency_ns;
	if (!cipu->last_raw_ns || abs((s64)(dev_ns - raw_ns)) <= slack_ns)
		return false;

	stat = readb(cipu->base + CIPU_DEV_STAT);
	return stat == CIPU_STAT_RESET || PCI_POSSIBLE_ERROR(stat);
}

/**
 * cipu_clock_sample() - device time with its system bracket, read once
 * @cipu: the function
 * @s: filled in; latency_ns and raw_ns are valid also after a bad read
 * @sts: the caller's bracket, in whichever clock he wants; may be NULL
 *
 * The caller's bracket is handed through unseen. What the driver itself wants
 * to know it measures in clocks of its own: the latency in one that nobody
 * steps. Called under cipu->lock.
 *
 * Return: 0; -EBADMSG for a timestamp marked invalid, -ETIME for one too late
 * to be trusted, -ENXIO for all ones, -ESTALE if the device forgot its state.
 */
static int cipu_clock_sample(struct cipu *cipu, struct cipu_sample *s,
			     struct ptp_system_timestamp *sts)
{
	u64 start_ns, tstamp;

	start_ns = ktime_get_raw_ns();
	ptp_read_system_prets(sts);
	tstamp = readq(cipu->base + CIPU_TSTAMP_NS);
	ptp_read_system_postts(sts);
	s->raw_ns = ktime_get_raw_ns();
	s->real_ns = ktime_get_real_ns();
	s->latency_ns = s->raw_ns - start_ns;

	if (PCI_POSSIBLE_ERROR(tstamp))
		return -ENXIO;
	if (tstamp & CIPU_TSTAMP_INVALID)
		return -EBADMSG;
	if (s->latency_ns > cipu->max_lat_ns)
		return -ETIME;

	tstamp &= CIPU_TSTAMP_MASK;
	if (tstamp > KTIME_MAX - cipu->base_ns)
		return -EBADMSG;
	s->dev_ns = cipu->base_ns + tstamp;

	if (cipu_clock_lost_state(cipu, s))
		return -ESTALE;

	cipu->last_dev_ns = s->dev_ns;
	cipu->last_raw_ns = s->raw_ns;
	cipu->last_latency_ns = s->latency_ns;
	return 0;
}

static void cipu_clock_count_thresh(struct cipu *cipu, const struct cipu_sample *s)
{
	s64 off_ns = s->dev_ns - (s->real_ns - s->latency_ns / 2);

	if (abs(off_ns) > cipu->thresh_ns)
		cipu_inc(&cipu->count.gettm_thresh);
}

/*
 * May the register be read? Asked under cipu->lock, so that those who queued up
 * behind a stuck read are spared the next one.
 */
static int cipu_clock_gate(struct cipu *cipu)
{
	if (cipu->status)
		return cipu->status;
	if (pci_channel_offline(cipu->pdev))
		return -ENODEV;
	if (cipu->block_until && ktime_get_raw_ns() < cipu->block_until)
		return -EBUSY;
	return 0;
}

/* Is a bad read to be tried again? If not it makes the run of failures longer. */
static bool cipu_clock_retry(struct cipu *cipu, const struct cipu_sample *s,
			     int err, int tries)
{
	bool stuck = s->latency_ns >= CIPU_STUCK_NS;

	/* Where failing has become the rule, one read is enough to see it end. */
	if (err != -ESTALE && !stuck && tries < CIPU_READ_TRIES &&
	    cipu->fails < CIPU_BLOCK_AFTER) {
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
 * One read of all ones can be a reply that got lost. The function is gone only
 * if another register and the configuration space say the same.
 */
static bool cipu_clock_nobody(struct cipu *cipu)
{
	unsigned long flags;
	bool nobody;

	raw_spin_lock_irqsave(&cipu->lock, flags);
	nobody = !cipu->status && PCI_POSSIBLE_ERROR(readb(cipu->base + CIPU_DEV_STAT));
	raw_spin_unlock_irqrestore(&cipu->lock, flags);

	return nobody && !pci_device_is_present(cipu->pdev);
}

/**
 * cipu_clock_read() - the one way to the device's time
 * @cipu: the function
 * @s: filled in on success
 * @sts: the caller's system bracket, or NULL
 *
 * Interrupts stay off between the two system times and across the read, but
 * not across tries. May be called from any context but NMI.
 *
 * Return: 0, what cipu_clock_sample() says of the last try, -ESHUTDOWN if that
 * was all ones from nobody, -EBUSY in the block window, or cipu->status.
 */
static int cipu_clock_read(struct cipu *cipu, struct cipu_sample *s,
			   struct ptp_system_timestamp *sts)
{
	unsigned long flags;
	bool again = false;
	int tries = 0;
	int ret;

	do {
		raw_spin_lock_irqsave(&cipu->lock, flags);
		if (!tries++)
			cipu_inc(&cipu->count.gettm);

		ret = cipu_clock_gate(cipu);
		if (ret) {
			again = false;
		} else {
			ret = cipu_clock_sample(cipu, s, sts);
			again = ret && cipu_clock_retry(cipu, s, ret, tries);
		}
		if (!ret) {
			cipu->fails = 0;
			cipu->block_until = 0;
			cipu_clock_count_thresh(cipu, s);
		}
		raw_spin_unlock_irqrestore(&cipu->lock, flags);
	} while (again);

	/* All ones may be an answer, or nobody there to give one. */
	if (ret == -ENXIO && cipu_clock_nobody(cipu))
		ret = -ESHUTDOWN;
	return ret;
}

/* Found out by a read: nobody reads on until the event work has looked into it. */
static int cipu_clock_close(struct cipu *cipu, int status)
{
	cipu_inc(&cipu->count.gettm_offline);
	if (!cipu->status)
		WRITE_ONCE(cipu->status, status);
	return status;
}

/**
 * cipu_clock_account() - count a failed call and have its cause looked into
 * @cipu: the function
 * @err: from cipu_clock_read()
 *
 * Return: the errno for user space.
 */
static int cipu_clock_account(struct cipu *cipu, int err)
{
	bool look = false;
	unsigned long flags;
	u64 now;

	raw_spin_lock_irqsave(&cipu->lock, flags);
	switch (err) {
	case -EBUSY:
		cipu_inc(&cipu->count.gettm_blocked);
		break;
	case -EAGAIN:
	case -ENODEV:
		cipu_inc(&cipu->count.gettm_offline);
		break;
	case -ESTALE:
		err = cipu_clock_close(cipu, -EAGAIN);
		look = true;
		break;
	case -ESHUTDOWN:
		err = cipu_clock_close(cipu, -ENODEV);
		look = true;
		break;
	case -ETIME:
		cipu_inc(&cipu->count.gettm_tout);
		err = -EIO;
		break;
	default:
		cipu_inc(&cipu->count.gettm_inval);
		err = -EIO;
		/* A standing fault must not make a read storm a work storm. */
		now = ktime_get_raw_ns();
		if (now >= cipu->event_after) {
			cipu->event_after = now + CIPU_EVENT_GAP_NS;
			look = true;
		}
	}
	raw_spin_unlock_irqrestore(&cipu->lock, flags);

	if (look)
		schedule_work(&cipu->event_work);
	return err;
}

/**
 * cipu_clock_set_status() - open or close the clock to its readers
 * @cipu: the function
 * @status: 0, or the errno for them
 *
 * On return nobody reads the register any more if @status is not 0.
 */
void cipu_clock_set_status(struct cipu *cipu, int status)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cipu->lock, flags);
	WRITE_ONCE(cipu->status, status);
	cipu->fails = 0;
	cipu->block_until = 0;
	/* Raw time stands still in suspend, and the epoch may be another. */
	cipu->last_raw_ns = 0;
	raw_spin_unlock_irqrestore(&cipu->lock, flags);
}

/**
 * cipu_clock_unblock() - end the block window, the cause of it is over
 * @cipu: the function
 */
void cipu_clock_unblock(struct cipu *cipu)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cipu->lock, flags);
	cipu->fails = 0;
	cipu->block_until = 0;
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
		return cipu_clock_account(cipu, ret);

	*ts = ns_to_timespec64(s.dev_ns);
	return 0;
}

/* The clock is read only. The core calls these without asking if they exist. */

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

static int cipu_enable(struct ptp_clock_info *info, struct ptp_clock_request *req,
		       int on)
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
