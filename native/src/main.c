// SPDX-License-Identifier: GPL-3.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "atomic_file.h"
#include "compare.h"
#include "history.h"
#include "options.h"
#include "probe.h"
#include "report.h"
#include "state.h"

#define EXIT_NOT_USABLE 1

/* Clocks have their own deadlines; this is for a sysfs or a disk that hangs. */
#define LAST_RESORT_S 60

static void give_up(int signal_number)
{
	static const char word[] = "clockprobe: gave up: the system did not answer in time\n";

	(void)signal_number;
	if (write(STDERR_FILENO, word, sizeof(word) - 1) < 0)
		_exit(EXIT_NOT_USABLE);
	_exit(EXIT_NOT_USABLE);
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "clockprobe: %s: %s\n", what, strerror(-err));
	return EXIT_NOT_USABLE;
}

/* Standard output, or a file that is replaced as a whole. */
struct output {
	FILE *file;
	struct atomic_file atomic;
};

static int output_open(const struct options *options, struct output *out)
{
	int err;

	out->file = stdout;
	if (!options->output_path)
		return 0;
	err = atomic_file_open(&out->atomic, options->output_path);
	out->file = out->atomic.file;
	return err;
}

static int output_close(struct output *out)
{
	if (out->file != stdout)
		return atomic_file_commit(&out->atomic);
	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		return errno ? -errno : -EIO;
	return 0;
}

/* Calls write with an open output; the exit status is status unless writing fails. */
static int put_out(const struct options *options, int status,
		   void (*write_to)(FILE *file, const void *what), const void *what)
{
	struct output out;
	int err = output_open(options, &out);

	if (!err) {
		write_to(out.file, what);
		err = output_close(&out);
	}
	return err ? complain("cannot write the result", err) : status;
}

static void write_table(FILE *file, const void *probe)
{
	report_table(file, probe);
}

static void write_json(FILE *file, const void *probe)
{
	report_json(file, probe);
}

static void write_openmetrics(FILE *file, const void *probe)
{
	report_openmetrics(file, probe);
}

static void write_comparison_table(FILE *file, const void *comparison)
{
	report_comparison_table(file, comparison);
}

static void write_comparison_json(FILE *file, const void *comparison)
{
	report_comparison_json(file, comparison);
}

static int run_probe(const struct options *options, struct state *state)
{
	static void (*const writers[])(FILE *, const void *) = {
		[FORMAT_TABLE] = write_table,
		[FORMAT_JSON] = write_json,
		[FORMAT_OPENMETRICS] = write_openmetrics,
	};
	struct probe probe;
	int err = probe_run(&options->probe, &probe);
	int status;

	if (err)
		return complain("cannot look for clocks", err);
	history_apply(&probe, state);
	status = put_out(options, probe_exit_status(&probe), writers[options->format], &probe);
	probe_free(&probe);
	return status;
}

static int run_comparison(const struct options *options)
{
	struct comparison *comparison = malloc(sizeof(*comparison));
	int err = comparison ? compare_run(&options->probe, options->compared, comparison) :
			       -ENOMEM;
	int status;

	if (err == -ENOENT) {
		fprintf(stderr, "clockprobe: there is no clock %s\n", comparison->reason);
		status = EXIT_NOT_USABLE;
	} else if (err) {
		status = complain("cannot compare", err);
	} else {
		status = put_out(options,
				 comparison->status == MEASUREMENT_OK ? 0 : EXIT_NOT_USABLE,
				 options->format == FORMAT_JSON ? write_comparison_json :
								  write_comparison_table,
				 comparison);
	}
	free(comparison);
	return status;
}

static void load_state(const struct options *options, struct state *state)
{
	memset(state, 0, sizeof(*state));
	if (!options->state_path)
		return;
	switch (state_load(options->state_path, state)) {
	case STATE_LOADED:
	case STATE_ABSENT:
		break;
	case STATE_DAMAGED:
		fprintf(stderr, "clockprobe: %s is damaged: ignored, and written anew\n",
			options->state_path);
		break;
	case STATE_UNREADABLE:
		fprintf(stderr, "clockprobe: %s cannot be read: ignored\n", options->state_path);
		break;
	}
}

/* A state that cannot be kept spoils no measurement: a word, and the run counts. */
static void save_state(const struct options *options, const struct state *state)
{
	int err = options->state_path ? state_save(options->state_path, state) : 0;

	if (err)
		complain("cannot keep the state", err);
}

static int run_once(const struct options *options, struct state *state)
{
	int status;

	alarm(LAST_RESORT_S);
	if (options->compare) {
		status = run_comparison(options);
	} else {
		status = run_probe(options, state);
		save_state(options, state);
	}
	alarm(0);
	return status;
}

static void watch(const struct options *options, struct state *state)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!ferror(stdout)) {
		run_once(options, state);
		next.tv_sec += options->watch_s;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
}

int main(int argc, char **argv)
{
	struct options options;
	struct state state;
	int status;

	if (!options_parse(argc, argv, &options, &status))
		return status;
	signal(SIGALRM, give_up);
	load_state(&options, &state);
	if (!options.watch_s)
		return run_once(&options, &state);
	watch(&options, &state);
	return EXIT_NOT_USABLE;
}
