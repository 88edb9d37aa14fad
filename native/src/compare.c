// SPDX-License-Identifier: GPL-3.0-or-later
#include "compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
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

static int find_clocks(const struct probe_options *options, const char *const names[2],
		       struct comparison *c)
{
	struct discovery *found = malloc(sizeof(*found));
	unsigned n_found = 0;

	if (!found)
		return -ENOMEM;
	discover(options->root, found);
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned i = 0; i < found->n_clocks; i++) {
			if (!probe_names_clock(&found->clocks[i], names[side]))
				continue;
			c->info[side] = found->clocks[i];
			n_found++;
			break;
		}
		if (n_found == side) {
			text_copy(c->reason, sizeof(c->reason), names[side]);
			break;
		}
	}
	free(found);
	return n_found == 2 ? 0 : -ENOENT;
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

static int64_t margin_ns(const struct probe_options *options, const struct comparison *c,
			 unsigned side)
{
	struct cipu cipu;
	int64_t claimed_ns = 0;

	if (probe_read_cipu(options->root, &c->info[side], &cipu))
		claimed_ns = cipu_claimed_precision_ns(&cipu);
	return measure_margin_ns(&c->collected[side], claimed_ns);
}

/* The side that has the fewer samples is the one to blame. */
static void reason_of_too_few(struct comparison *c)
{
	unsigned side = c->collected[1].n_samples < c->collected[0].n_samples;
	int used = snprintf(c->reason, sizeof(c->reason), "%s: ", c->info[side].node);

	measure_reason_of_failures(&c->collected[side], c->reason + used,
				   sizeof(c->reason) - (size_t)used);
}

static void estimate(const struct probe_options *options, struct comparison *c)
{
	const char *reason;

	estimate_difference(&c->collected[0], &c->collected[1], margin_ns(options, c, 0),
			    margin_ns(options, c, 1), &c->difference);
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
		measure_reason_of_open_error(c->collected[i].open_error, c->info[i].node,
					     c->reason, sizeof(c->reason));
		return 0;
	}
	if (end != CHILD_DONE)
		fail(c, measure_reason_of_end(end));
	else
		estimate(options, c);
	return 0;
}
