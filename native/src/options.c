// SPDX-License-Identifier: GPL-3.0-or-later
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "version.h"

static const char help[] =
	"usage: clockprobe [OPTION]...\n"
	"Finds the PTP clocks of this host and measures each against the system clock.\n"
	"\n"
	"  --json               one line of JSON instead of a table\n"
	"  --clock CLOCK        this clock only (repeatable): node, link or PCI address\n"
	"  --samples N          samples a clock, 8 to 1000 (52)\n"
	"  --list               find and describe the clocks, measure nothing\n"
	"  --root DIR           look for /sys, /proc, /dev and /etc under DIR\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0 measured; 1 something is there and not usable; 2 usage;\n"
	"3 nothing to measure.\n";

enum {
	OPT_JSON = 256,
	OPT_CLOCK,
	OPT_SAMPLES,
	OPT_LIST,
	OPT_ROOT,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "clock", required_argument, NULL, OPT_CLOCK },
	{ "samples", required_argument, NULL, OPT_SAMPLES },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool usage_error(int *exit_status, const char *what)
{
	fprintf(stderr, "clockprobe: %s\nTry --help.\n", what);
	*exit_status = EXIT_USAGE;
	return false;
}

static bool set_samples(struct options *options, const char *argument)
{
	uint64_t value;

	if (!text_parse_u64(argument, &value) || value < ESTIMATE_MIN_SAMPLES || value > 1000)
		return false;
	options->probe.collect.samples = (unsigned)value;
	return true;
}

bool options_parse(int argc, char **argv, struct options *options, int *exit_status)
{
	struct probe_options *probe = &options->probe;
	int c;

	memset(options, 0, sizeof(*options));
	probe->root = "";
	collect_defaults(&probe->collect);
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_JSON:
			options->format = FORMAT_JSON;
			break;
		case OPT_CLOCK:
			if (probe->n_selected == PROBE_MAX_SELECTED)
				return usage_error(exit_status, "too many --clock");
			probe->selected[probe->n_selected++] = optarg;
			break;
		case OPT_SAMPLES:
			if (!set_samples(options, optarg))
				return usage_error(exit_status, "--samples takes 8 to 1000");
			break;
		case OPT_LIST:
			probe->list_only = true;
			break;
		case OPT_ROOT:
			probe->root = optarg;
			break;
		case OPT_VERSION:
			puts("clockprobe " CLOCKPROBE_VERSION);
			*exit_status = 0;
			return false;
		case OPT_HELP:
			fputs(help, stdout);
			*exit_status = 0;
			return false;
		default:
			return usage_error(exit_status, "unknown option or missing argument");
		}
	}
	if (optind < argc)
		return usage_error(exit_status, "takes no arguments without an option");
	return true;
}
