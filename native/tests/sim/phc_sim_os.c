// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Replaces src/phc_os.c in clockprobe-sim. The node of a clock describes how the simulated clock
 * behaves, with one "name number" on each line.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim_clock.h"
#include "text.h"

static int64_t setting(const char *text, const char *name, int64_t otherwise)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\n%s ", name);
	at = strstr(text, key);
	return at ? strtoll(at + strlen(key), NULL, 10) : otherwise;
}

/* Sleeps in real time, as the program does on a host. */
static void really_sleep_ns(void *ctx, int64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	((struct sim_phc *)ctx)->time->raw_ns += ns;
	nanosleep(&ts, NULL);
}

static int blocking_ioctl(void *ctx, unsigned long request, void *argument)
{
	(void)ctx;
	(void)request;
	(void)argument;
	for (;;)
		pause();
	return 0;
}

static int crashing_ioctl(void *ctx, unsigned long request, void *argument)
{
	(void)ctx;
	(void)request;
	(void)argument;
	raise(SIGKILL);
	return 0;
}

static void set_up(struct sim_phc *phc, const char *text)
{
	struct sim_time *time = phc->time;

	phc->track.offset_ns += setting(text, "offset_ns", 0);
	phc->track.drift_ppb = (double)setting(text, "drift_ppb", 0);
	phc->track.step_ns = setting(text, "step_ns", 0);
	if (phc->track.step_ns)
		phc->track.step_at_ns = time->raw_ns + setting(text, "step_after_ns", 0);
	time->real.step_ns = setting(text, "system_step_ns", 0);
	if (time->real.step_ns)
		time->real.step_at_ns = time->raw_ns + 20000000;
	phc->before_ns = setting(text, "before_ns", 400);
	phc->after_ns = setting(text, "after_ns", 400);
	phc->tick_ns = setting(text, "tick_ns", 1);
	phc->adjustment_ppb = (double)setting(text, "adjustment_ppb", 0);
	phc->max_phase_adj = (int)setting(text, "max_phase_adj", 0);
	phc->precise_jitter_ns = setting(text, "precise_jitter_ns", 0);
	phc->precise_errno = (int)setting(text, "precise_errno", 0);
	phc->has_precise = setting(text, "precise", 0);
	phc->has_extended = setting(text, "extended", 1);
	phc->has_clockid = setting(text, "clockid", 0);
	phc->failure_errno = (int)setting(text, "errno", EIO);
	phc->failures_left = (unsigned)setting(text, "failures", 0);
}

int phc_open(const char *path, dev_t rdev, struct phc_io *io)
{
	static struct sim_time time;
	static struct sim_phc clocks[2];
	static unsigned n_clocks;
	struct sim_phc *phc = &clocks[n_clocks++ % 2];
	char text[1024] = "\n";
	ssize_t n = text_read_head("", path, text + 1, sizeof(text) - 2);

	(void)rdev;
	if (n < 0)
		return (int)n;
	text[n + 1] = '\0';
	if (n_clocks == 1) {
		sim_time_init(&time, (uint64_t)setting(text, "seed", 1));
		time.raw_ns += setting(text, "uptime_ns", 0);
	}
	sim_phc_init(phc, &time);
	set_up(phc, text);
	sim_phc_io(phc, io);
	if (setting(text, "real_time", 0))
		io->sleep_ns = really_sleep_ns;
	if (setting(text, "blocks", 0))
		io->ioctl = blocking_ioctl;
	if (setting(text, "crashes", 0))
		io->ioctl = crashing_ioctl;
	return 0;
}
