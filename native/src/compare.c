// SPDX-License-Identifier: GPL-3.0-or-later
#include "compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "margin.h"
#include "measure.h"
#include "steal.h"
#include "text.h"

struct compare_work {
	char path[2][TEXT_PATH_SIZE];
	dev_t rdev[2];
	struct collect_params params;
	struct collected *out; /* two of them */
};

static void compare_work(void *argument)
{
	struct compare_work *work = argument;
	struct phc_io io[2];

	for (unsigned i = 0; i < 2; i++) {
		int err = phc_open(work->path[i], work->rdev[i], &io[i]);

		if (err) {
			work->out[i].open_error = -err;
			return;
		}
	}
	collect_pair(&io[0], &io[1], &work->params, &work->out[0], &work->out[1]);
}

static bool find_clock(const char *root, const struct discovery *found, const char *name,
		       struct clock_info *info)
{
	for (unsigned i = 0; i < found->n_clocks; i++) {
		if (clock_has_name(root, &found->clocks[i], name)) {
			*info = found->clocks[i];
			return true;
		}
	}
	return false;
}

static int find_clocks(const struct probe_options *options, const char *const names[2],
		       struct comparison *c)
{
	struct discovery found;
	int err = discover(options->root, &found);

	if (err)
		return err;
	for (unsigned side = 0; side < 2 && !err; side++) {
		if (find_clock(options->root, &found, names[side], &c->info[side]))
			continue;
		snprintf(c->reason, sizeof(c->reason), "there is no clock %.64s%s%.70s",
			 names[side], found.problems.n ? "; " : "",
			 found.problems.n ? found.problems.text[0] : "");
		err = -ENOENT;
	}
	discover_free(&found);
	return err;
}

static enum child_end collect_both(const struct probe_options *options, struct comparison *c)
{
	struct compare_work work = { .params = options->collect };
	size_t size = sizeof(c->collected);
	enum child_end end = CHILD_NOT_STARTED;

	work.out = child_memory(size);
	if (!work.out)
		return end;
	for (unsigned i = 0; i < 2; i++) {
		work.rdev[i] = c->info[i].rdev;
		if (text_path(work.path[i], sizeof(work.path[i]), options->root, c->info[i].node))
			goto out;
	}
	end = child_run(compare_work, &work, measure_deadline_ns(options->collect.budget_ns));
	memcpy(c->collected, work.out, size);
out:
	child_memory_free(work.out, size);
	for (unsigned i = 0; i < 2; i++) {
		if (!collected_is_sane(&c->collected[i]))
			memset(&c->collected[i], 0, sizeof(c->collected[i]));
	}
	return end;
}

static void fail(struct comparison *c, const char *reason)
{
	c->status = MEASUREMENT_FAILED;
	text_copy(c->reason, sizeof(c->reason), reason);
}

/* False when the device of the side does not answer. */
static bool margin_of(const struct probe_options *options, const struct comparison *c,
		      unsigned side, int64_t *ns)
{
	struct cipu cipu = { .is_gone = false };
	int64_t claimed_ns = 0;

	if (probe_read_cipu(options->root, &c->info[side], &cipu))
		cipu_claimed_precision_ns(&cipu, &claimed_ns);
	*ns = margin_ns(&c->collected[side], claimed_ns);
	return !cipu.is_gone;
}

/* Names the side that has fewer samples. */
static void reason_of_too_few(struct comparison *c)
{
	unsigned side = c->collected[1].n_samples < c->collected[0].n_samples;
	int used = snprintf(c->reason, sizeof(c->reason), "%s: ", c->info[side].node);

	measure_reason_of_failures(&c->collected[side], c->reason + used,
				   sizeof(c->reason) - (size_t)used);
}

static void estimate(const struct probe_options *options, struct comparison *c)
{
	int64_t margins_ns[2];
	const char *reason;

	for (unsigned side = 0; side < 2; side++) {
		if (margin_of(options, c, side, &margins_ns[side]))
			continue;
		c->status = MEASUREMENT_FAILED;
		snprintf(c->reason, sizeof(c->reason),
			 "%s: the device does not answer: its registers read 0xffffffff",
			 c->info[side].node);
		return;
	}
	estimate_difference(&c->collected[0], &c->collected[1], margins_ns[0], margins_ns[1],
			    &c->difference);
	c->status = measure_status(c->difference.status, &reason);
	if (reason)
		text_copy(c->reason, sizeof(c->reason), reason);
	else if (c->status == MEASUREMENT_FAILED)
		reason_of_too_few(c);
}

int compare_run(const struct probe_options *options, const char *const names[2],
		struct comparison *c)
{
	struct cpu_ticks before, after;
	enum child_end end;
	bool has_ticks;
	int err;

	memset(c, 0, sizeof(*c));
	err = find_clocks(options, names, c);
	if (err)
		return err;
	probe_read_host(options->root, &c->host);
	has_ticks = steal_read(options->root, &before);
	end = collect_both(options, c);
	c->host.has_steal = has_ticks && steal_read(options->root, &after) &&
			    steal_pct(&before, &after, &c->host.steal_pct);
	for (unsigned i = 0; end == CHILD_DONE && i < 2; i++) {
		if (!c->collected[i].open_error)
			continue;
		c->status = MEASUREMENT_FAILED;
		measure_reason_of_open_error(c->collected[i].open_error, c->info[i].node, c->reason,
					     sizeof(c->reason));
		return 0;
	}
	if (end != CHILD_DONE)
		fail(c, measure_reason_of_end(end));
	else
		estimate(options, c);
	return 0;
}
