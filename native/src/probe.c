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

/* With clocks that block, each to its deadline. */
#define TOTAL_BUDGET_NS (10LL * 1000000000)

const char *measurement_status_name(enum measurement_status status)
{
	static const char *const names[] = {
		[MEASUREMENT_OK] = "ok",
		[MEASUREMENT_INCONSISTENT] = "inconsistent",
		[MEASUREMENT_STEPPED] = "stepped",
		[MEASUREMENT_FAILED] = "failed",
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

bool probe_names_clock(const struct clock_info *c, const char *name)
{
	if (!strcmp(name, c->node) || !strcmp(name, c->node + strlen("/dev/")) ||
	    (*c->pci_address && !strcmp(name, c->pci_address)))
		return true;
	for (unsigned i = 0; i < c->n_links; i++) {
		if (!strcmp(name, c->links[i]))
			return true;
	}
	return false;
}

static bool is_selected(const struct probe_options *options, const struct clock_info *c)
{
	if (!options->n_selected)
		return true;
	for (unsigned i = 0; i < options->n_selected; i++) {
		if (probe_names_clock(c, options->selected[i]))
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

static void probe_clock(const struct probe_options *options, int64_t left_ns,
			struct probed_clock *c)
{
	struct measurement *m = &c->measurement;

	if (options->list_only)
		skip(m, "asked to list only");
	else if (!is_selected(options, &c->info))
		skip(m, "not among the clocks asked for");
	else if (left_ns <= 0)
		measure_fail(m, "no time was left for this clock");
	else
		measure_collect(options->root, &c->info, &options->collect, left_ns, m);
	/* after the reads: the driver's sync_stat is of its last one */
	c->has_cipu = probe_read_cipu(options->root, &c->info, &c->cipu);
	measure_estimate(m, c->has_cipu ? cipu_claimed_precision_ns(&c->cipu) : 0);
}

static void probe_clocks(const struct probe_options *options, const struct discovery *found,
			 struct probe *probe)
{
	int64_t end_ns = monotonic_ns() + TOTAL_BUDGET_NS;
	struct cpu_ticks before, after;
	bool has_ticks;

	probe_read_host(options->root, &probe->host);
	has_ticks = steal_read(options->root, &before);
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		memset(&probe->clocks[i], 0, sizeof(probe->clocks[i]));
		probe->clocks[i].info = found->clocks[i];
		probe_clock(options, end_ns - monotonic_ns(), &probe->clocks[i]);
	}
	probe->host.has_steal = has_ticks && steal_read(options->root, &after) &&
				steal_pct(&before, &after, &probe->host.steal_pct);
}

/* MONOTONIC_RAW is of the clocksource: what was measured across a change says nothing. */
static bool clocksource_changed(const struct probe_options *options, const struct probe *probe)
{
	char now[CLOCKSOURCE_SIZE];

	read_clocksource(options->root, now);
	return strcmp(now, probe->host.clocksource) != 0;
}

int probe_run(const struct probe_options *options, struct probe *probe)
{
	struct discovery *found = malloc(sizeof(*found));

	memset(probe, 0, sizeof(*probe));
	if (!found)
		return -ENOMEM;
	discover(options->root, found);
	probe->clocks = calloc(found->n_clocks ? found->n_clocks : 1, sizeof(*probe->clocks));
	if (!probe->clocks) {
		free(found);
		return -ENOMEM;
	}
	probe->n_clocks = found->n_clocks;
	probe->n_functions = found->n_functions;
	memcpy(probe->functions, found->functions, sizeof(probe->functions));
	probe->more = found->more;
	probe_clocks(options, found, probe);
	if (clocksource_changed(options, probe))
		probe_clocks(options, found, probe);
	free(found);
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

	for (unsigned i = 0; i < probe->n_functions; i++) {
		if (!*probe->functions[i].driver)
			return 1;
	}
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
