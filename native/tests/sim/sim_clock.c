// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim_clock.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define NS_PER_S 1000000000

/* xorshift64*: any seed but zero */
static uint64_t next_random(struct sim_time *time)
{
	uint64_t x = time->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	time->random = x;
	return x * 0x2545f4914f6cdd1du;
}

double sim_random(struct sim_time *time)
{
	return (double)(next_random(time) >> 11) * 0x1p-53;
}

int64_t sim_between(struct sim_time *time, int64_t lo, int64_t hi)
{
	return lo + (int64_t)(sim_random(time) * (double)(hi - lo + 1));
}

static void track_init(struct sim_track *track)
{
	memset(track, 0, sizeof(*track));
	track->turn_at_ns = SIM_NEVER;
	track->step_at_ns = SIM_NEVER;
}

void sim_time_init(struct sim_time *time, uint64_t seed)
{
	memset(time, 0, sizeof(*time));
	time->random = seed * 0x9e3779b97f4a7c15u + 1;
	time->raw_ns = 1000 * (int64_t)NS_PER_S;
	time->call_ns = 30;
	time->call_jitter_ns = 12;
	time->counter_tick_ns = 1;
	track_init(&time->real);
	time->real.offset_ns = 1700000000 * (int64_t)NS_PER_S;
}

void sim_phc_init(struct sim_phc *phc, struct sim_time *time)
{
	memset(phc, 0, sizeof(*phc));
	phc->time = time;
	track_init(&phc->track);
	phc->track.offset_ns = time->real.offset_ns;
	phc->before_ns = 400;
	phc->after_ns = 400;
	phc->jitter_ns = 100;
	phc->tick_ns = 1;
	phc->has_extended = true;
}

double sim_track_at(const struct sim_track *track, int64_t raw_ns)
{
	/* relative to the start of the simulation, or doubles run out of digits */
	double elapsed = (double)(raw_ns - 1000 * (int64_t)NS_PER_S);
	double drift = track->drift_ppb * elapsed;

	if (raw_ns >= track->turn_at_ns)
		drift += (track->turned_drift_ppb - track->drift_ppb) *
			 (double)(raw_ns - track->turn_at_ns);
	return elapsed + drift / 1e9 + (raw_ns >= track->step_at_ns ? (double)track->step_ns : 0);
}

static int64_t read_track(const struct sim_track *track, int64_t raw_ns)
{
	return 1000 * (int64_t)NS_PER_S + track->offset_ns +
	       (int64_t)floor(sim_track_at(track, raw_ns));
}

static void pass(struct sim_time *time, int64_t ns)
{
	time->raw_ns += ns;
	if (time->preempt_chance > 0 && sim_random(time) < time->preempt_chance)
		time->raw_ns += sim_between(time, 0, time->preempt_ns);
}

static int64_t cut(int64_t ns, int64_t tick_ns)
{
	return tick_ns > 1 ? ns - ns % tick_ns : ns;
}

/* All system clocks are computed from the counter, which advances in ticks. */
static int64_t show_sysclock(const struct sim_time *time, enum sysclock clock)
{
	int64_t counter_ns = cut(time->raw_ns, time->counter_tick_ns);

	return clock == SYSCLOCK_REALTIME ? read_track(&time->real, counter_ns) : counter_ns;
}

static int64_t read_sysclock(struct sim_time *time, enum sysclock clock)
{
	int64_t ns;

	pass(time, time->call_ns / 2 + sim_between(time, 0, time->call_jitter_ns));
	ns = show_sysclock(time, clock);
	pass(time, time->call_ns - time->call_ns / 2);
	return ns;
}

static int64_t show_phc(struct sim_phc *phc)
{
	int64_t noise = phc->noise_ns ? sim_between(phc->time, -phc->noise_ns, phc->noise_ns) : 0;

	return cut(read_track(&phc->track, phc->time->raw_ns) + noise, phc->tick_ns);
}

static int64_t read_phc(struct sim_phc *phc)
{
	int64_t ns;

	pass(phc->time, phc->before_ns + sim_between(phc->time, 0, phc->jitter_ns));
	ns = show_phc(phc);
	pass(phc->time, phc->after_ns + sim_between(phc->time, 0, phc->jitter_ns));
	return ns;
}

static struct ptp_abi_time to_abi(int64_t ns)
{
	return (struct ptp_abi_time){ .sec = ns / NS_PER_S, .nsec = (uint32_t)(ns % NS_PER_S) };
}

static int answer_caps(struct sim_phc *phc, struct ptp_abi_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->cross_timestamping = phc->has_precise;
	caps->max_phase_adj = phc->max_phase_adj;
	return 0;
}

static struct ptp_abi_time with_jitter(struct sim_phc *phc, int64_t ns)
{
	int64_t jitter_ns = phc->precise_jitter_ns;

	return to_abi(jitter_ns ? ns + sim_between(phc->time, -jitter_ns, jitter_ns) : ns);
}

static int answer_precise(struct sim_phc *phc, struct ptp_abi_precise *arg)
{
	struct sim_time *time = phc->time;

	if (!phc->has_precise)
		return -EOPNOTSUPP;
	pass(time, phc->before_ns + sim_between(time, 0, phc->jitter_ns));
	arg->device = with_jitter(phc, show_phc(phc));
	arg->sys_realtime = with_jitter(phc, show_sysclock(time, SYSCLOCK_REALTIME));
	if (!phc->lacks_monoraw)
		arg->sys_monoraw = with_jitter(phc, show_sysclock(time, SYSCLOCK_MONOTONIC_RAW));
	pass(time, phc->after_ns);
	return 0;
}

static int answer_extended(struct sim_phc *phc, struct ptp_abi_extended *arg)
{
	if (!phc->has_extended)
		return -EOPNOTSUPP;
	if (arg->clockid && !phc->has_clockid)
		return -EINVAL;
	for (uint32_t i = 0; i < arg->n_samples; i++) {
		enum sysclock clock = (enum sysclock)arg->clockid;

		arg->ts[i][0] = to_abi(read_sysclock(phc->time, clock));
		arg->ts[i][1] = to_abi(read_phc(phc));
		arg->ts[i][2] = to_abi(read_sysclock(phc->time, clock));
	}
	return 0;
}

static int answer_basic(struct sim_phc *phc, struct ptp_abi_basic *arg)
{
	for (uint32_t i = 0; i < arg->n_samples; i++) {
		arg->ts[2 * i] = to_abi(read_sysclock(phc->time, SYSCLOCK_REALTIME));
		arg->ts[2 * i + 1] = to_abi(read_phc(phc));
	}
	arg->ts[2 * arg->n_samples] = to_abi(read_sysclock(phc->time, SYSCLOCK_REALTIME));
	return 0;
}

static int sim_ioctl(void *ctx, unsigned long request, void *argument)
{
	struct sim_phc *phc = ctx;

	pass(phc->time, 200);
	if (request == PTP_ABI_GETCAPS)
		return answer_caps(phc, argument);
	phc->calls++;
	if (request == PTP_ABI_PRECISE && phc->precise_errno) {
		pass(phc->time, phc->precise_failure_ns);
		return -phc->precise_errno;
	}
	if (phc->failures_left) {
		phc->failures_left--;
		return -phc->failure_errno;
	}
	if (phc->failure_chance > 0 && sim_random(phc->time) < phc->failure_chance)
		return -phc->failure_errno;
	switch (request) {
	case PTP_ABI_PRECISE:
		return answer_precise(phc, argument);
	case PTP_ABI_EXTENDED:
		return answer_extended(phc, argument);
	case PTP_ABI_BASIC:
		return answer_basic(phc, argument);
	default:
		return -ENOTTY;
	}
}

static int64_t sim_now_ns(void *ctx, enum sysclock clock)
{
	return read_sysclock(((struct sim_phc *)ctx)->time, clock);
}

static int64_t sim_resolution_ns(void *ctx, enum sysclock clock)
{
	(void)ctx;
	(void)clock;
	return 1;
}

static int64_t sim_slew_limit_ppb(void *ctx)
{
	const struct sim_track *real = &((struct sim_phc *)ctx)->time->real;

	return 1 + (int64_t)fmax(fabs(real->drift_ppb), fabs(real->turned_drift_ppb));
}

static int sim_adjustment_ppb(void *ctx, double *ppb)
{
	*ppb = ((struct sim_phc *)ctx)->adjustment_ppb;
	return 0;
}

static void sim_sleep_ns(void *ctx, int64_t ns)
{
	pass(((struct sim_phc *)ctx)->time, ns);
}

void sim_phc_io(struct sim_phc *phc, struct phc_io *io)
{
	*io = (struct phc_io){
		.ctx = phc,
		.ioctl = sim_ioctl,
		.now_ns = sim_now_ns,
		.resolution_ns = sim_resolution_ns,
		.slew_limit_ppb = sim_slew_limit_ppb,
		.adjustment_ppb = sim_adjustment_ppb,
		.sleep_ns = sim_sleep_ns,
	};
}

/* The instant in [from, to] at which REALTIME, which only moves forward there, read real_ns. */
static bool find_instant(const struct sim_time *time, int64_t from_ns, int64_t to_ns,
			 int64_t real_ns, int64_t *raw_ns)
{
	/* a reading is cut to whole nanoseconds: the instant may be one later */
	if (from_ns > to_ns || read_track(&time->real, from_ns) > real_ns ||
	    read_track(&time->real, to_ns) < real_ns)
		return false;
	while (from_ns < to_ns) {
		int64_t middle_ns = from_ns + (to_ns - from_ns) / 2;

		if (read_track(&time->real, middle_ns) < real_ns)
			from_ns = middle_ns + 1;
		else
			to_ns = middle_ns;
	}
	*raw_ns = from_ns;
	return true;
}

static bool holds_at(const struct sim_phc *phc, int64_t raw_ns, int64_t lo_ns, int64_t hi_ns)
{
	const struct sim_track *real = &phc->time->real;
	double truth = sim_track_at(&phc->track, raw_ns) - sim_track_at(real, raw_ns) +
		       (double)(phc->track.offset_ns - real->offset_ns);

	return truth >= (double)lo_ns && truth <= (double)hi_ns;
}

bool sim_truth_within(const struct sim_phc *phc, int64_t real_ns, int64_t lo_ns, int64_t hi_ns)
{
	const struct sim_time *time = phc->time;
	int64_t start_ns = 1000 * (int64_t)NS_PER_S, step_ns = time->real.step_at_ns, raw_ns;

	if (step_ns > time->raw_ns)
		return find_instant(time, start_ns, time->raw_ns, real_ns, &raw_ns) &&
		       holds_at(phc, raw_ns, lo_ns, hi_ns);
	return (find_instant(time, start_ns, step_ns - 1, real_ns, &raw_ns) &&
		holds_at(phc, raw_ns, lo_ns, hi_ns)) ||
	       (find_instant(time, step_ns, time->raw_ns, real_ns, &raw_ns) &&
		holds_at(phc, raw_ns, lo_ns, hi_ns));
}
