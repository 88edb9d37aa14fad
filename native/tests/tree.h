/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A made-up root directory for tests, removed at the end. */
#ifndef CLOCKPROBE_TREE_H
#define CLOCKPROBE_TREE_H

#include <stddef.h>

#include "text.h"

struct tree {
	char root[64];
};

void tree_make(struct tree *tree);
void tree_remove(struct tree *tree);

/* The same, as cmocka wants it: the tree is the test's state. */
int tree_set_up(void **state);
int tree_tear_down(void **state);

/* Parents are made on the way. */
void tree_file(const struct tree *tree, const char *path, const char *text);
void tree_bytes(const struct tree *tree, const char *path, const void *bytes, size_t size);
void tree_link(const struct tree *tree, const char *path, const char *target);
void tree_fifo(const struct tree *tree, const char *path);
void tree_directory(const struct tree *tree, const char *path);

/* root + path, in a static buffer */
const char *tree_path(const struct tree *tree, const char *path);

#endif
