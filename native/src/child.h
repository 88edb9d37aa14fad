/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Work that may block for good, done in a child process with a deadline. */
#ifndef CLOCKPROBE_CHILD_H
#define CLOCKPROBE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that a child writes and its parent reads, zeroed. NULL when there is none to be had. */
void *child_memory(size_t size);
void child_memory_free(void *memory, size_t size);

enum child_end {
	CHILD_DONE,
	CHILD_CRASHED,
	CHILD_TIMED_OUT, /* killed; a child stuck in the kernel is left behind, not waited for */
	CHILD_NOT_STARTED,
};

enum child_end child_run(void (*work)(void *argument), void *argument, int64_t deadline_ns);

#endif
