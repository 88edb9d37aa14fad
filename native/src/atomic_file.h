/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replaces a regular file as a whole: readers see the old or the new content, never a part. */
#ifndef CLOCKPROBE_ATOMIC_FILE_H
#define CLOCKPROBE_ATOMIC_FILE_H

#include <signal.h>
#include <stdio.h>

#include "text.h"

/* Error for a path that names a device, FIFO, symbolic link or directory. No errno is this high. */
#define ATOMIC_FILE_NOT_REGULAR 4096

struct atomic_file {
	FILE *file;
	const char *path;
	sigset_t signals;
	char temporary[TEXT_PATH_SIZE];
};

/*
 * Returns 0 or a negative error. Write to ->file, then call commit, which also closes it. On
 * failure the temporary file is removed and the former file stays. Signals are blocked between
 * the two calls, so that none ends the program while the temporary file exists. A file that is
 * replaced passes its mode and owner on.
 */
int atomic_file_open(struct atomic_file *f, const char *path);
int atomic_file_commit(struct atomic_file *f);

/* Text for the error of either function. */
const char *atomic_file_strerror(int err);

#endif
