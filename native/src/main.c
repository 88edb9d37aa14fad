// SPDX-License-Identifier: GPL-3.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "probe.h"
#include "report.h"

#define EXIT_NOT_USABLE 1

static void report(const struct options *options, const struct probe *probe)
{
	switch (options->format) {
	case FORMAT_TABLE:
		report_table(stdout, probe);
		break;
	case FORMAT_JSON:
		report_json(stdout, probe);
		break;
	}
}

static int run_once(const struct options *options)
{
	struct probe probe;
	int err = probe_run(&options->probe, &probe);
	int status;

	if (err) {
		fprintf(stderr, "clockprobe: %s\n", strerror(-err));
		return EXIT_NOT_USABLE;
	}
	report(options, &probe);
	status = probe_exit_status(&probe);
	probe_free(&probe);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "clockprobe: cannot write the result: %s\n", strerror(errno));
		return EXIT_NOT_USABLE;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status;

	if (!options_parse(argc, argv, &options, &status))
		return status;
	return run_once(&options);
}
