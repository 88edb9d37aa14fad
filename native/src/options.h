/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CLOCKPROBE_OPTIONS_H
#define CLOCKPROBE_OPTIONS_H

#include <stdbool.h>

#include "probe.h"

#define EXIT_USAGE 2

enum format {
	FORMAT_TABLE,
	FORMAT_JSON,
	FORMAT_OPENMETRICS,
};

struct options {
	enum format format;
	unsigned watch_s;	 /* 0: once */
	const char *state_path;	 /* NULL: none */
	const char *output_path; /* NULL: standard output */
	bool compare;
	const char *compared[2];
	struct probe_options probe;
};

/* False when the program must end with *exit_status. */
bool options_parse(int argc, char **argv, struct options *options, int *exit_status);

#endif
