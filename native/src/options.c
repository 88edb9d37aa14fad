// SPDX-License-Identifier: GPL-3.0-or-later
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "version.h"

#define MAX_SAMPLES 1000
#define MAX_WATCH_S 86400

static const char help[] =
	"usage: clockprobe [OPTION]...\n"
	"       clockprobe [OPTION]... --compare A B\n"
	"Measures each PTP clock of this host against the system clock, or two of them against\n"
	"each other. Name a clock by node, link, PCI address or network interface.\n"
	"\n"
	"  --json               print one line of JSON instead of a table\n"
	"  --openmetrics        print OpenMetrics text instead of a table\n"
	"  --output FILE        replace FILE as a whole instead of writing to standard output\n"
	"  --watch SECONDS      repeat every SECONDS seconds until stopped\n"
	"  --state FILE         keep FILE to measure frequency and detect migration across runs\n"
	"  --clock CLOCK        measure only this clock (repeatable)\n"
	"  --clockid ID         measure against realtime (default), monotonic or monotonic-raw;\n"
	"                       the extended ioctl supports the last two from Linux 6.12\n"
	"  --samples N          take N samples of each clock, 8 to 1000 (default 52)\n"
	"  --list               find and describe the clocks, measure nothing\n"
	"  --root DIR           read /sys, /proc and /dev under DIR\n"
	"  --version, --help\n"
	"\n"
	"FILE must be a regular file or not exist.\n"
	"Exit status: 0 every clock asked for was measured, or with --list found;\n"
	"1 a clock, CIPU function or file could not be used; 2 usage; 3 no clock.\n";

enum {
	OPT_JSON = 256,
	OPT_OPENMETRICS,
	OPT_OUTPUT,
	OPT_WATCH,
	OPT_STATE,
	OPT_COMPARE,
	OPT_CLOCK,
	OPT_CLOCKID,
	OPT_SAMPLES,
	OPT_LIST,
	OPT_ROOT,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "openmetrics", no_argument, NULL, OPT_OPENMETRICS },
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ "watch", required_argument, NULL, OPT_WATCH },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "compare", no_argument, NULL, OPT_COMPARE },
	{ "clock", required_argument, NULL, OPT_CLOCK },
	{ "clockid", required_argument, NULL, OPT_CLOCKID },
	{ "samples", required_argument, NULL, OPT_SAMPLES },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool usage_error(int *exit_status, const char *what)
{
	fprintf(stderr, "clockprobe: %s\nTry clockprobe --help.\n", what);
	*exit_status = EXIT_USAGE;
	return false;
}

static bool bounded(const char *argument, unsigned least, unsigned most, unsigned *value)
{
	uint64_t v;

	if (!text_parse_u64(argument, &v) || v < least || v > most)
		return false;
	*value = (unsigned)v;
	return true;
}

static const char *add_clock(struct probe_options *probe, const char *name)
{
	if (probe->n_selected == PROBE_MAX_SELECTED)
		return "too many --clock options: at most 16";
	probe->selected[probe->n_selected++] = name;
	return NULL;
}

/* Returns what is wrong with the option, or NULL. */
static const char *take_option(struct options *options, int option, const char *argument)
{
	struct collect_params *collect = &options->probe.collect;

	switch (option) {
	case OPT_JSON:
		options->format = FORMAT_JSON;
		return NULL;
	case OPT_OPENMETRICS:
		options->format = FORMAT_OPENMETRICS;
		return NULL;
	case OPT_OUTPUT:
		options->output_path = argument;
		return NULL;
	case OPT_WATCH:
		return bounded(argument, 1, MAX_WATCH_S, &options->watch_s) ?
			       NULL :
			       "--watch takes 1 to 86400 seconds";
	case OPT_STATE:
		options->state_path = argument;
		return NULL;
	case OPT_COMPARE:
		options->compare = true;
		return NULL;
	case OPT_CLOCK:
		return add_clock(&options->probe, argument);
	case OPT_CLOCKID:
		return sysclock_from_name(argument, &collect->clock) ?
			       NULL :
			       "--clockid takes realtime, monotonic or monotonic-raw";
	case OPT_SAMPLES:
		return bounded(argument, COLLECT_MIN_SAMPLES, MAX_SAMPLES, &collect->samples) ?
			       NULL :
			       "--samples takes 8 to 1000";
	case OPT_LIST:
		options->probe.list_only = true;
		return NULL;
	case OPT_ROOT:
		options->probe.root = argument;
		return NULL;
	default:
		return "unknown option or missing argument";
	}
}

/* The clocks of --compare are positional arguments. */
static const char *take_rest(struct options *options, int count, char **rest)
{
	if (!options->compare)
		return count ? "unexpected argument; name a clock with --clock" : NULL;
	if (count != 2)
		return "--compare takes two clocks";
	if (options->format == FORMAT_OPENMETRICS || options->state_path ||
	    options->probe.n_selected || options->probe.list_only)
		return "--compare can be combined only with --json, --output, --watch, --samples, "
		       "--clockid and --root";
	options->compared[0] = rest[0];
	options->compared[1] = rest[1];
	return NULL;
}

bool options_parse(int argc, char **argv, struct options *options, int *exit_status)
{
	const char *problem = NULL;
	int option;

	memset(options, 0, sizeof(*options));
	options->probe.root = "";
	collect_defaults(&options->probe.collect);
	while (!problem && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPT_VERSION || option == OPT_HELP) {
			fputs(option == OPT_HELP ? help : "clockprobe " CLOCKPROBE_VERSION "\n",
			      stdout);
			*exit_status = 0;
			return false;
		}
		problem = take_option(options, option, optarg);
	}
	if (!problem)
		problem = take_rest(options, argc - optind, argv + optind);
	return problem ? usage_error(exit_status, problem) : true;
}
