/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs work that may never return in a child process with a deadline. */
#ifndef CLOCKPROBE_CHILD_H
#define CLOCKPROBE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory that a child writes and its parent reads. NULL when there is no memory. */
void *child_memory(size_t size);
void child_memory_free(void *memory, size_t size);

enum child_end {
	CHILD_DONE,
	CHILD_CRASHED,
	CHILD_TIMED_OUT, /* killed; a child that hangs in the kernel is left behind */
	CHILD_NOT_STARTED,
};

/* SIGCHLD must not be ignored: the kernel would discard the exit status. */
enum child_end child_run(void (*work)(void *argument), void *argument, int64_t deadline_ns);

#endif
