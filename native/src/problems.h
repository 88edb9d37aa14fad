/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What kept a run from looking at everything. Each is one sentence for the operator. */
#ifndef CLOCKPROBE_PROBLEMS_H
#define CLOCKPROBE_PROBLEMS_H

#define PROBLEMS_MAX 16
#define PROBLEM_SIZE 256

struct problems {
	unsigned n;
	char text[PROBLEMS_MAX][PROBLEM_SIZE];
};

/* When the list is full, the last entry says so. */
__attribute__((format(printf, 2, 3))) void problems_add(struct problems *problems,
							const char *format, ...);

#endif
