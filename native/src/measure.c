// SPDX-License-Identifier: GPL-3.0-or-later
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child.h"
#include "errname.h"
#include "text.h"

/* Beyond the collector's own budget, twice if it repeats: a call that hangs. */
#define DEADLINE_NS(budget_ns) (2 * (budget_ns) + 1000000000)

/* PHC timestamps are whole nanoseconds. */
#define PHC_RESOLUTION_NS 1

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

static void fail(struct measurement *m, const char *reason)
{
	m->status = MEASUREMENT_FAILED;
	text_copy(m->reason, sizeof(m->reason), reason);
}

static void reason_of_open_error(struct measurement *m, const struct clock_info *clock)
{
	int number = m->collected.open_error;

	m->status = MEASUREMENT_FAILED;
	if (number == ENODEV)
		snprintf(m->reason, sizeof(m->reason), "%s is not the device of this clock",
			 clock->node);
	else
		snprintf(m->reason, sizeof(m->reason), "cannot open %s: %s", clock->node,
			 strerror(number));
}

static void reason_of_end(struct measurement *m, enum child_end end)
{
	switch (end) {
	case CHILD_DONE:
		break;
	case CHILD_TIMED_OUT:
		fail(m, "the clock did not answer in time");
		break;
	case CHILD_CRASHED:
		fail(m, "the reader of the clock died");
		break;
	case CHILD_NOT_STARTED:
		fail(m, "no process or memory left to read the clock with");
		break;
	}
}

void measure_collect(const char *root, const struct clock_info *clock,
		     const struct collect_params *params, struct measurement *m)
{
	struct collected *shared = child_memory(sizeof(*shared));
	struct collect_work work = { .rdev = clock->rdev, .params = *params, .out = shared };
	enum child_end end = CHILD_NOT_STARTED;

	if (shared && !text_path(work.path, sizeof(work.path), root, clock->node))
		end = child_run(collect_work, &work, DEADLINE_NS(params->budget_ns));
	if (shared)
		m->collected = *shared;
	child_memory_free(shared, sizeof(*shared));
	/* a child that was stopped half way may have left anything */
	if (!collected_is_sane(&m->collected))
		memset(&m->collected, 0, sizeof(m->collected));
	reason_of_end(m, end);
	if (m->status == MEASUREMENT_OK && m->collected.open_error)
		reason_of_open_error(m, clock);
}

int64_t measure_margin_ns(const struct collected *c, int64_t claimed_precision_ns)
{
	return claimed_precision_ns + c->resolution_ns + PHC_RESOLUTION_NS;
}

/* "3 usable samples of 52 tried: EIO 12, EBUSY 1" */
static void reason_of_failures(struct measurement *m)
{
	const struct collected *c = &m->collected;
	int used;

	if (c->clock != SYSCLOCK_REALTIME && !c->n_samples) {
		snprintf(m->reason, sizeof(m->reason),
			 "this kernel or clock cannot be read against %s", sysclock_name(c->clock));
		return;
	}
	used = snprintf(m->reason, sizeof(m->reason), "%u usable samples of %u tried",
			c->n_samples, c->tried);
	for (unsigned i = 0; i < c->n_errnos && used > 0 && (size_t)used < sizeof(m->reason); i++)
		used += snprintf(m->reason + used, sizeof(m->reason) - (size_t)used, "%s %s %u",
				 i ? "," : ":", errno_name(c->errnos[i].number),
				 c->errnos[i].count);
}

void measure_estimate(struct measurement *m, int64_t claimed_precision_ns)
{
	struct estimate *e = &m->estimate;

	if (m->status != MEASUREMENT_OK)
		return;
	estimate_offset(&m->collected, measure_margin_ns(&m->collected, claimed_precision_ns), e);
	switch (e->status) {
	case ESTIMATE_OK:
		m->has_frequency = e->has_frequency;
		m->frequency_ppb = e->frequency_ppb;
		m->frequency_uncertainty_ppb = e->frequency_uncertainty_ppb;
		break;
	case ESTIMATE_INCONSISTENT:
		m->status = MEASUREMENT_INCONSISTENT;
		text_copy(m->reason, sizeof(m->reason),
			  "the samples contradict each other: the clock was set, or is wrong");
		break;
	case ESTIMATE_STEPPED:
		m->status = MEASUREMENT_STEPPED;
		text_copy(m->reason, sizeof(m->reason),
			  "the system clock was set during the measurement, twice");
		break;
	case ESTIMATE_FAILED:
		m->status = MEASUREMENT_FAILED;
		reason_of_failures(m);
		break;
	}
}
