/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measures all clocks of a host. The reports print the result. */
#ifndef CLOCKPROBE_PROBE_H
#define CLOCKPROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "cipu.h"
#include "collect.h"
#include "discover.h"
#include "estimate.h"
#include "vmclock.h"

#define PROBE_REASON_SIZE 160
#define PROBE_MAX_SELECTED 16
#define CLOCKSOURCE_SIZE 64

struct probe_options {
	const char *root; /* before /sys, /proc, /dev and /etc; empty on a host */
	bool list_only;
	unsigned n_selected; /* 0: all clocks */
	const char *selected[PROBE_MAX_SELECTED];
	struct collect_params collect;
};

enum measurement_status {
	MEASUREMENT_OK,
	MEASUREMENT_INCONSISTENT,
	MEASUREMENT_STEPPED,
	MEASUREMENT_FAILED,
	MEASUREMENT_SKIPPED,
};

struct measurement {
	enum measurement_status status;
	char reason[PROBE_REASON_SIZE]; /* empty: none */
	struct collected collected;
	struct estimate estimate;
	const char *hint; /* NULL: none */
	bool has_claimed_precision;
	int64_t claimed_precision_ns;
	bool has_frequency;
	double frequency_ppb;
	double frequency_uncertainty_ppb;
	int64_t frequency_baseline_ns; /* over which the frequency is the mean */
};

struct probed_clock {
	struct clock_info info;
	struct measurement measurement;
	bool has_cipu;
	struct cipu cipu;
};

struct probe_host {
	char boot_id[64];
	char clocksource[CLOCKSOURCE_SIZE];
	int64_t taken_at_ns;
	bool has_steal;
	double steal_pct;
};

struct probe {
	struct probe_host host;
	unsigned n_functions;
	struct pci_function functions[DISCOVER_MAX_FUNCTIONS];
	unsigned n_clocks;
	struct probed_clock *clocks;
	struct problems problems;
	bool list_only;
	bool has_selection; /* the operator named clocks */
	struct vmclock vmclock;
	bool marker_changed_known; /* there is a previous run to compare with */
	bool marker_changed;
};

const char *measurement_status_name(enum measurement_status status);

void probe_read_host(const char *root, struct probe_host *host);

/* Reads the attributes of a CIPU clock; false for any other clock. */
bool probe_read_cipu(const char *root, const struct clock_info *info, struct cipu *cipu);

/* 0, or -ENOMEM. */
int probe_run(const struct probe_options *options, struct probe *probe);
void probe_free(struct probe *probe);

/*
 * 0 when every clock asked for was measured, or with list_only found; 1 when one was not, a CIPU
 * function has no driver, or there is a problem; 3 when there is no clock.
 */
int probe_exit_status(const struct probe *probe);

#endif
