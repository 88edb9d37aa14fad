// SPDX-License-Identifier: GPL-3.0-or-later
#include "tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(int failed, const char *path)
{
	if (!failed)
		return;
	perror(path);
	abort();
}

const char *tree_path(const struct tree *tree, const char *path)
{
	static char full[TEXT_PATH_SIZE];

	check(text_path(full, sizeof(full), tree->root, path), path);
	return full;
}

void tree_make(struct tree *tree)
{
	strcpy(tree->root, "/tmp/clockprobe-test-XXXXXX");
	check(!mkdtemp(tree->root), tree->root);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

void tree_remove(struct tree *tree)
{
	check(nftw(tree->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), tree->root);
}

static void make_parents(const char *full)
{
	char copy[TEXT_PATH_SIZE];

	text_copy(copy, sizeof(copy), full);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		check(mkdir(copy, 0755) && errno != EEXIST, copy);
		*slash = '/';
	}
}

void tree_bytes(const struct tree *tree, const char *path, const void *bytes, size_t size)
{
	const char *full = tree_path(tree, path);
	FILE *file;

	make_parents(full);
	file = fopen(full, "w");
	check(!file || fwrite(bytes, 1, size, file) != size || fclose(file), full);
}

void tree_file(const struct tree *tree, const char *path, const char *text)
{
	tree_bytes(tree, path, text, strlen(text));
}

void tree_link(const struct tree *tree, const char *path, const char *target)
{
	const char *full = tree_path(tree, path);

	make_parents(full);
	check(symlink(target, full), full);
}

void tree_fifo(const struct tree *tree, const char *path)
{
	const char *full = tree_path(tree, path);

	make_parents(full);
	check(mkfifo(full, 0600), full);
}

void tree_directory(const struct tree *tree, const char *path)
{
	const char *full = tree_path(tree, path);

	make_parents(full);
	check(mkdir(full, 0755) && errno != EEXIST, full);
}

int tree_set_up(void **state)
{
	static struct tree tree;

	tree_make(&tree);
	*state = &tree;
	return 0;
}

int tree_tear_down(void **state)
{
	tree_remove(*state);
	return 0;
}
