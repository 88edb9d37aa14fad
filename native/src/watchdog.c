// SPDX-License-Identifier: GPL-3.0-or-later
#include "watchdog.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>

#define LIMIT_S 60

static volatile sig_atomic_t left_s;

/*
 * Counts seconds instead of using one alarm: signals of a stopped process merge into one, so time
 * spent in SIGSTOP does not count.
 */
static void tick(int signal_number)
{
	static const char message[] =
		"clockprobe: gave up: a file system did not answer for 60 seconds\n";

	(void)signal_number;
	if (--left_s > 0)
		return;
	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		_exit(1);
	_exit(1);
}

static void set_timer(time_t seconds)
{
	const struct itimerval timer = { { seconds, 0 }, { seconds, 0 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

void watchdog_start(void)
{
	struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, NULL);
	left_s = LIMIT_S;
	set_timer(1);
}

void watchdog_stop(void)
{
	set_timer(0);
}

void watchdog_progress(void)
{
	left_s = LIMIT_S;
}
