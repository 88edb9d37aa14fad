/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file that is replaced as a whole: readers see the old or the new one, never a part. */
#ifndef CLOCKPROBE_ATOMIC_FILE_H
#define CLOCKPROBE_ATOMIC_FILE_H

#include <stdio.h>

#include "text.h"

struct atomic_file {
	FILE *file;
	const char *path;
	char temporary[TEXT_PATH_SIZE];
};

/* 0, or -errno. Write to ->file, then commit, which also closes; on failure nothing is left. */
int atomic_file_open(struct atomic_file *f, const char *path);
int atomic_file_commit(struct atomic_file *f);

#endif
