/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one run leaves for the next: where each clock stood, and on which machine. */
#ifndef CLOCKPROBE_STATE_H
#define CLOCKPROBE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "discover.h"

#define STATE_TEXT_SIZE 64

struct state_clock {
	unsigned index;
	uint64_t registration;
	int64_t raw_ns; /* MONOTONIC_RAW of the run */
	int64_t lo_ns;	/* bounds of PHC - MONOTONIC_RAW then */
	int64_t hi_ns;
	bool has_frequency;
	int64_t frequency_ppt; /* 1e-12: whole numbers survive a text file unchanged */
	int64_t frequency_uncertainty_ppt;
};

struct state {
	char boot_id[STATE_TEXT_SIZE];
	char clocksource[STATE_TEXT_SIZE];
	bool has_marker;
	uint64_t disruption_marker; /* of the VMClock */
	unsigned n_clocks;
	struct state_clock clocks[DISCOVER_MAX_CLOCKS];
};

/* False for anything but what state_write wrote, whole. */
bool state_parse(const char *text, size_t length, struct state *state);
void state_write(FILE *file, const struct state *state);

enum state_load {
	STATE_LOADED,
	STATE_ABSENT,
	STATE_DAMAGED,
	STATE_UNREADABLE,
};

enum state_load state_load(const char *path, struct state *state);
int state_save(const char *path, const struct state *state);

const struct state_clock *state_find(const struct state *state, unsigned index,
				     uint64_t registration);

#endif
