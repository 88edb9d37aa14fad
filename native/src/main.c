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
#include "watchdog.h"

#define EXIT_NOT_USABLE 1

static int complain(const char *what, int err)
{
	fprintf(stderr, "clockprobe: %s: %s\n", what, strerror(-err));
	return EXIT_NOT_USABLE;
}

static int complain_of_file(const char *what, const char *path, int err)
{
	fprintf(stderr, "clockprobe: cannot write %s%s%s: %s\n", what, *path ? " to " : "", path,
		atomic_file_strerror(err));
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

/* Returns the exit status of the run, or that of a failure to write. */
static int finish_output(const struct options *options, struct output *out, int status)
{
	int err = output_close(out);

	if (!err)
		return status;
	return complain_of_file("the result", options->output_path ? options->output_path : "",
				err);
}

static void write_probe(FILE *file, enum format format, const struct probe *probe)
{
	switch (format) {
	case FORMAT_TABLE:
		report_table(file, probe);
		break;
	case FORMAT_JSON:
		report_json(file, probe);
		break;
	case FORMAT_OPENMETRICS:
		report_openmetrics(file, probe);
		break;
	}
}

static int run_probe(const struct options *options, struct state *state)
{
	struct output out;
	struct probe probe;
	int err = probe_run(&options->probe, &probe), status;

	if (err)
		return complain("cannot search for clocks", err);
	history_apply(&probe, state);
	err = output_open(options, &out);
	if (err) {
		probe_free(&probe);
		return complain_of_file("the result", options->output_path, err);
	}
	write_probe(out.file, options->format, &probe);
	status = probe_exit_status(&probe);
	probe_free(&probe);
	return finish_output(options, &out, status);
}

static int report_comparison(const struct options *options, const struct comparison *comparison)
{
	struct output out;
	int err = output_open(options, &out);

	if (err)
		return complain_of_file("the result", options->output_path, err);
	if (options->format == FORMAT_JSON)
		report_comparison_json(out.file, comparison);
	else
		report_comparison_table(out.file, comparison);
	return finish_output(options, &out,
			     comparison->status == MEASUREMENT_OK ? 0 : EXIT_NOT_USABLE);
}

static int run_comparison(const struct options *options)
{
	struct comparison *comparison = malloc(sizeof(*comparison));
	int err = comparison ? compare_run(&options->probe, options->compared, comparison) :
			       -ENOMEM;
	int status = EXIT_NOT_USABLE;

	if (err == -ENOENT)
		fprintf(stderr, "clockprobe: %s\n", comparison->reason);
	else if (err)
		complain("cannot compare", err);
	else
		status = report_comparison(options, comparison);
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
		fprintf(stderr,
			"clockprobe: %s is damaged or of another version: ignored and replaced\n",
			options->state_path);
		break;
	case STATE_UNREADABLE:
		fprintf(stderr, "clockprobe: cannot read %s: ignored\n", options->state_path);
		break;
	}
}

/* A state that cannot be written does not make the measurement fail. */
static void save_state(const struct options *options, const struct state *state)
{
	int err = options->state_path ? state_save(options->state_path, state) : 0;

	if (err)
		complain_of_file("the state", options->state_path, err);
}

static int run_once(const struct options *options, struct state *state)
{
	int status;

	watchdog_start();
	if (options->compare) {
		status = run_comparison(options);
	} else {
		status = run_probe(options, state);
		save_state(options, state);
	}
	watchdog_stop();
	return status;
}

/* Runs that are overdue, after SIGSTOP or a slow run, are left out and not made up for. */
static void watch(const struct options *options, struct state *state)
{
	struct timespec next, now;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!ferror(stdout)) {
		run_once(options, state);
		clock_gettime(CLOCK_MONOTONIC, &now);
		do
			next.tv_sec += options->watch_s;
		while (next.tv_sec < now.tv_sec);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
}

/* What a parent ignores or blocks is inherited. */
static void set_up_signals(void)
{
	sigset_t none;

	/* with SIG_IGN the kernel would discard the exit status of the child that reads a clock */
	signal(SIGCHLD, SIG_DFL);
	/* a limit of the file size is an error of the write then, which removes the file */
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
	struct options options;
	static struct state state;
	int status;

	if (!options_parse(argc, argv, &options, &status))
		return status;
	set_up_signals();
	load_state(&options, &state);
	if (!options.watch_s)
		return run_once(&options, &state);
	watch(&options, &state);
	return EXIT_NOT_USABLE;
}
