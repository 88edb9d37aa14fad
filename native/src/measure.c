// SPDX-License-Identifier: GPL-3.0-or-later
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "errname.h"
#include "margin.h"
#include "text.h"

/* a guest that lacks processor time is slow and does not hang */
#define HANG_NS 4000000000
#define LEAST_HANG_NS 1000000000

/* A clock this far ahead of a system clock in UTC shows TAI, to within the half second. */
#define TAI_OFFSET_NS 37000000000
#define TAI_TOLERANCE_NS 500000000

int64_t measure_deadline_ns(int64_t budget_ns)
{
	return 2 * budget_ns + HANG_NS;
}

int64_t measure_least_deadline_ns(const struct collect_params *params)
{
	int64_t calls = params->samples / params->samples_per_call + 1;

	return 2 * calls * params->spacing_ns + LEAST_HANG_NS;
}

void measure_reason_of_failures(const struct collected *c, char *reason, size_t size)
{
	char name[ERRNO_NAME_SIZE];
	int used;

	if (c->clock != SYSCLOCK_REALTIME && !c->n_samples) {
		snprintf(reason, size, "the kernel or the clock's driver cannot read it against %s",
			 sysclock_name(c->clock));
		return;
	}
	used = snprintf(reason, size, "%u usable samples of %u tried", c->n_samples, c->tried);
	for (unsigned i = 0; i < c->n_errnos && used > 0 && (size_t)used < size; i++)
		used += snprintf(reason + used, size - (size_t)used, "%s %s %u", i ? "," : ":",
				 errno_name(c->errnos[i].number, name), c->errnos[i].count);
}

void measure_reason_of_open_error(int number, const char *node, char *reason, size_t size)
{
	if (number == ENODEV)
		snprintf(reason, size, "%s is not the device of this clock", node);
	else
		snprintf(reason, size, "cannot open %s: %s", node, strerror(number));
}

const char *measure_reason_of_end(enum child_end end)
{
	switch (end) {
	case CHILD_DONE:
		break;
	case CHILD_TIMED_OUT:
		return "the clock did not answer in time";
	case CHILD_CRASHED:
		return "the process that read the clock crashed";
	case CHILD_NOT_STARTED:
		return "cannot start a process to read the clock";
	}
	return NULL;
}

enum measurement_status measure_status(enum estimate_status status, const char **reason)
{
	*reason = NULL;
	switch (status) {
	case ESTIMATE_OK:
		return MEASUREMENT_OK;
	case ESTIMATE_INCONSISTENT:
		*reason = "the samples contradict each other: the clock was set or runs unevenly";
		return MEASUREMENT_INCONSISTENT;
	case ESTIMATE_STEPPED:
		*reason = "the system clock was set during the measurement and its repetition";
		return MEASUREMENT_STEPPED;
	case ESTIMATE_FAILED:
		break;
	}
	return MEASUREMENT_FAILED;
}

struct collect_work {
	char path[TEXT_PATH_SIZE];
	dev_t rdev;
	struct collect_params params;
	struct collected *out;
};

static void collect_work(void *argument)
{
	struct collect_work *work = argument;
	struct phc_io io;
	int err = phc_open(work->path, work->rdev, &io);

	if (err) {
		work->out->open_error = -err;
		return;
	}
	collect_run(&io, &work->params, work->out);
}

void measure_fail(struct measurement *m, const char *reason)
{
	m->status = MEASUREMENT_FAILED;
	text_copy(m->reason, sizeof(m->reason), reason);
}

bool measure_collect(const char *root, const struct clock_info *clock,
		     const struct collect_params *params, int64_t left_ns, struct measurement *m)
{
	struct collected *shared = child_memory(sizeof(*shared));
	int64_t deadline_ns = measure_deadline_ns(params->budget_ns);
	struct collect_work work = { .rdev = clock->rdev, .params = *params, .out = shared };
	enum child_end end = CHILD_NOT_STARTED;

	if (shared && !text_path(work.path, sizeof(work.path), root, clock->node))
		end = child_run(collect_work, &work, left_ns < deadline_ns ? left_ns : deadline_ns);
	if (shared)
		m->collected = *shared;
	child_memory_free(shared, sizeof(*shared));
	/* a child that was killed may leave anything */
	if (!collected_is_sane(&m->collected))
		memset(&m->collected, 0, sizeof(m->collected));
	if (end != CHILD_DONE) {
		measure_fail(m, measure_reason_of_end(end));
	} else if (m->collected.open_error) {
		m->status = MEASUREMENT_FAILED;
		measure_reason_of_open_error(m->collected.open_error, clock->node, m->reason,
					     sizeof(m->reason));
	}
	return end != CHILD_TIMED_OUT;
}

static const char *hint_of(const struct measurement *m)
{
	int64_t from_tai_ns = m->estimate.offset_ns - TAI_OFFSET_NS;

	if (m->collected.clock != SYSCLOCK_REALTIME || from_tai_ns > TAI_TOLERANCE_NS ||
	    from_tai_ns < -TAI_TOLERANCE_NS)
		return NULL;
	return "the clock is 37 s ahead, as TAI is of UTC: it probably shows TAI";
}

void measure_estimate(struct measurement *m, const struct cipu *cipu)
{
	struct estimate *e = &m->estimate;
	const char *reason;

	if (m->status != MEASUREMENT_OK)
		return;
	if (cipu && cipu->is_gone) {
		measure_fail(m, "the device does not answer: its registers read 0xffffffff");
		return;
	}
	m->has_claimed_precision = cipu &&
				   cipu_claimed_precision_ns(cipu, &m->claimed_precision_ns);
	estimate_offset(&m->collected, margin_ns(&m->collected, m->claimed_precision_ns), e);
	m->status = measure_status(e->status, &reason);
	if (reason)
		text_copy(m->reason, sizeof(m->reason), reason);
	else if (m->status == MEASUREMENT_FAILED)
		measure_reason_of_failures(&m->collected, m->reason, sizeof(m->reason));
	if (m->status != MEASUREMENT_OK)
		return;
	if (cipu && !m->has_claimed_precision)
		text_copy(m->reason, sizeof(m->reason),
			  "the device does not state its precision: the uncertainty omits it");
	m->hint = hint_of(m);
	m->has_frequency = e->has_frequency;
	m->frequency_ppb = e->frequency_ppb;
	m->frequency_uncertainty_ppb = e->frequency_uncertainty_ppb;
	m->frequency_baseline_ns = m->collected.end_raw_ns - m->collected.start_raw_ns;
}
