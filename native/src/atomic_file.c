// SPDX-License-Identifier: GPL-3.0-or-later
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FILE_MODE 0644

static void block_signals(struct atomic_file *f)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &f->signals);
}

static int fail(struct atomic_file *f, int err)
{
	unlink(f->temporary);
	sigprocmask(SIG_SETMASK, &f->signals, NULL);
	return err;
}

/* 1 and *st for a regular file, 0 where there is none, or a negative error. */
static int find_target(const char *path, struct stat *st)
{
	if (lstat(path, st))
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(st->st_mode) ? 1 : -ATOMIC_FILE_NOT_REGULAR;
}

int atomic_file_open(struct atomic_file *f, const char *path)
{
	struct stat st;
	int fd, err;

	f->path = path;
	err = find_target(path, &st);
	if (err < 0)
		return err;
	err = text_path(f->temporary, sizeof(f->temporary), path, ".XXXXXX");
	if (err)
		return err;
	block_signals(f);
	fd = mkostemp(f->temporary, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		sigprocmask(SIG_SETMASK, &f->signals, NULL);
		return err;
	}
	f->file = fdopen(fd, "w");
	if (f->file)
		return 0;
	err = -errno;
	close(fd);
	return fail(f, err);
}

/* Changes the owner only where it differs: an unprivileged user may not set even the same one. */
static int copy_owner_and_mode(int fd, const struct stat *former)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if ((st.st_uid != former->st_uid || st.st_gid != former->st_gid) &&
	    fchown(fd, former->st_uid, former->st_gid))
		return -errno;
	return fchmod(fd, former->st_mode & 07777) ? -errno : 0;
}

static int finish(struct atomic_file *f)
{
	int fd = fileno(f->file), err;
	struct stat former;

	errno = 0;
	if (fflush(f->file) || ferror(f->file))
		return errno ? -errno : -EIO;
	/* checked again: the path may have changed since it was opened */
	err = find_target(f->path, &former);
	if (err > 0)
		err = copy_owner_and_mode(fd, &former);
	else if (!err)
		err = fchmod(fd, NEW_FILE_MODE) ? -errno : 0;
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

int atomic_file_commit(struct atomic_file *f)
{
	int err = finish(f);

	if (fclose(f->file) && !err)
		err = -errno;
	if (!err && rename(f->temporary, f->path))
		err = -errno;
	if (err)
		return fail(f, err);
	sigprocmask(SIG_SETMASK, &f->signals, NULL);
	return 0;
}

const char *atomic_file_strerror(int err)
{
	if (err == -ATOMIC_FILE_NOT_REGULAR)
		return "it is not a regular file; name a regular file or a new one";
	return strerror(-err);
}
