/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one run keeps for later ones: the offset of each clock, and the machine it belongs to. */
#ifndef CLOCKPROBE_STATE_H
#define CLOCKPROBE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "discover.h"

#define STATE_TEXT_SIZE 64

/* Bounds of PHC - MONOTONIC_RAW at one instant. */
struct state_point {
	int64_t raw_ns; /* MONOTONIC_RAW */
	int64_t lo_ns;
	int64_t hi_ns;
};

enum state_point_role {
	STATE_BASE, /* oldest point: the frequency is the mean since then */
	STATE_NEXT, /* becomes the base when the base is too old */
	STATE_LAST, /* of a recent run: shows jumps */
	STATE_N_POINTS,
};

struct state_clock {
	unsigned index;
	uint64_t registration;
	struct state_point points[STATE_N_POINTS];
	bool has_frequency;    /* between the two latest points */
	int64_t frequency_ppt; /* 1e-12: integers survive a text file unchanged */
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

/* False for everything except the complete output of state_write. */
bool state_parse(const char *text, size_t length, struct state *state);
void state_write(FILE *file, const struct state *state);

enum state_load {
	STATE_LOADED,
	STATE_ABSENT,
	STATE_DAMAGED,
	STATE_UNREADABLE,
};

enum state_load state_load(const char *path, struct state *state);
/* Returns 0 or an error of atomic_file. */
int state_save(const char *path, const struct state *state);

const struct state_clock *state_find(const struct state *state, unsigned index,
				     uint64_t registration);

#endif
