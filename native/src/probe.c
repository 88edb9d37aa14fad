// SPDX-License-Identifier: GPL-3.0-or-later
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure.h"
#include "monotime.h"
#include "steal.h"
#include "text.h"
#include "watchdog.h"

/*
 * A clock that hangs takes its whole deadline. The deadlines together stay below this, except that
 * each clock gets the time that suffices for one that answers. After MAX_HUNG clocks that hung the
 * others are not tried.
 */
#define TOTAL_DEADLINE_NS (7LL * 1000000000)
#define MAX_HUNG 4

const char *measurement_status_name(enum measurement_status status)
{
	static const char *const names[] = {
		[MEASUREMENT_OK] = "ok",	   [MEASUREMENT_INCONSISTENT] = "inconsistent",
		[MEASUREMENT_STEPPED] = "stepped", [MEASUREMENT_FAILED] = "failed",
		[MEASUREMENT_SKIPPED] = "skipped",
	};

	return names[status];
}

static void read_clocksource(const char *root, char name[CLOCKSOURCE_SIZE])
{
	if (text_read_line(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
			   name, CLOCKSOURCE_SIZE) < 0)
		name[0] = '\0';
}

void probe_read_host(const char *root, struct probe_host *host)
{
	struct timespec ts = { 0, 0 };

	if (text_read_line(root, "/proc/sys/kernel/random/boot_id", host->boot_id,
			   sizeof(host->boot_id)) < 0)
		host->boot_id[0] = '\0';
	read_clocksource(root, host->clocksource);
	clock_gettime(CLOCK_REALTIME, &ts);
	host->taken_at_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool is_selected(const struct probe_options *options, const struct clock_info *c)
{
	if (!options->n_selected)
		return true;
	for (unsigned i = 0; i < options->n_selected; i++) {
		if (clock_has_name(options->root, c, options->selected[i]))
			return true;
	}
	return false;
}

bool probe_read_cipu(const char *root, const struct clock_info *info, struct cipu *cipu)
{
	char directory[TEXT_PATH_SIZE];

	if (info->kind != CLOCK_CIPU)
		return false;
	snprintf(directory, sizeof(directory), "%s/cipu", info->device_directory);
	return cipu_read(root, directory, cipu);
}

static void skip(struct measurement *m, const char *reason)
{
	m->status = MEASUREMENT_SKIPPED;
	text_copy(m->reason, sizeof(m->reason), reason);
}

/* Clocks that did not answer in time. */
struct hung {
	unsigned count;
	int64_t ns;
};

static int64_t time_for_clock(const struct collect_params *params, const struct hung *hung)
{
	int64_t least_ns = measure_least_deadline_ns(params);
	int64_t left_ns = TOTAL_DEADLINE_NS - hung->ns;

	return left_ns > least_ns ? left_ns : least_ns;
}

static void probe_clock(const struct probe_options *options, struct hung *hung,
			struct probed_clock *c)
{
	int64_t left_ns = time_for_clock(&options->collect, hung);
	int64_t start_ns = monotonic_ns();
	struct measurement *m = &c->measurement;

	if (!is_selected(options, &c->info))
		skip(m, "not named by --clock");
	else if (options->list_only)
		skip(m, "--list measures nothing");
	else if (hung->count == MAX_HUNG)
		measure_fail(m, "not tried: too many other clocks did not answer");
	else if (!measure_collect(options->root, &c->info, &options->collect, left_ns, m))
		*hung = (struct hung){ hung->count + 1, hung->ns + monotonic_ns() - start_ns };
	/* after the reads: sync_stat is what the driver saw at its last one */
	c->has_cipu = probe_read_cipu(options->root, &c->info, &c->cipu);
	measure_estimate(m, c->has_cipu ? &c->cipu : NULL);
}

static void probe_clocks(const struct probe_options *options, const struct discovery *found,
			 struct probe *probe)
{
	struct cpu_ticks before, after;
	struct hung hung = { 0, 0 };
	bool has_ticks;

	probe_read_host(options->root, &probe->host);
	has_ticks = steal_read(options->root, &before);
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		watchdog_progress();
		memset(&probe->clocks[i], 0, sizeof(probe->clocks[i]));
		probe->clocks[i].info = found->clocks[i];
		probe_clock(options, &hung, &probe->clocks[i]);
	}
	probe->host.has_steal = has_ticks && steal_read(options->root, &after) &&
				steal_pct(&before, &after, &probe->host.steal_pct);
}

static void find_absent(const struct probe_options *options, struct probe *probe)
{
	for (unsigned i = 0; i < options->n_selected; i++) {
		bool is_there = false;

		for (unsigned n = 0; n < probe->n_clocks && !is_there; n++)
			is_there = clock_has_name(options->root, &probe->clocks[n].info,
						  options->selected[i]);
		if (!is_there)
			problems_add(&probe->problems, "there is no clock %.128s",
				     options->selected[i]);
	}
}

/* MONOTONIC_RAW depends on the clocksource: a change makes the measurement void. */
static bool clocksource_changed(const struct probe_options *options, const struct probe *probe)
{
	char now[CLOCKSOURCE_SIZE];

	read_clocksource(options->root, now);
	return strcmp(now, probe->host.clocksource) != 0;
}

int probe_run(const struct probe_options *options, struct probe *probe)
{
	struct discovery found;
	int err;

	memset(probe, 0, sizeof(*probe));
	err = discover(options->root, &found);
	if (err)
		return err;
	probe->clocks = calloc(found.n_clocks ? found.n_clocks : 1, sizeof(*probe->clocks));
	if (!probe->clocks) {
		discover_free(&found);
		return -ENOMEM;
	}
	probe->n_clocks = found.n_clocks;
	probe->n_functions = found.n_functions;
	memcpy(probe->functions, found.functions, sizeof(probe->functions));
	probe->problems = found.problems;
	probe->list_only = options->list_only;
	probe->has_selection = options->n_selected;
	probe_clocks(options, &found, probe);
	if (clocksource_changed(options, probe))
		probe_clocks(options, &found, probe);
	find_absent(options, probe);
	discover_free(&found);
	vmclock_read(options->root, &probe->vmclock);
	return 0;
}

void probe_free(struct probe *probe)
{
	free(probe->clocks);
	probe->clocks = NULL;
}

int probe_exit_status(const struct probe *probe)
{
	unsigned measured = 0;

	if (probe->problems.n)
		return 1;
	for (unsigned i = 0; i < probe->n_functions && !probe->has_selection; i++) {
		if (!*probe->functions[i].driver)
			return 1;
	}
	if (probe->list_only)
		return probe->n_clocks ? 0 : 3;
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		switch (probe->clocks[i].measurement.status) {
		case MEASUREMENT_OK:
			measured++;
			break;
		case MEASUREMENT_SKIPPED:
			break;
		default:
			return 1;
		}
	}
	return measured ? 0 : 3;
}
