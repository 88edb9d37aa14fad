// SPDX-License-Identifier: GPL-3.0-or-later
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0644

int atomic_file_open(struct atomic_file *f, const char *path)
{
	int fd, err;

	f->path = path;
	/* mkstemp follows no link that stands there already */
	err = text_path(f->temporary, sizeof(f->temporary), path, ".XXXXXX");
	if (err)
		return err;
	fd = mkostemp(f->temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f->file = fdopen(fd, "w");
	if (f->file)
		return 0;
	err = -errno;
	close(fd);
	unlink(f->temporary);
	return err;
}

int atomic_file_commit(struct atomic_file *f)
{
	int err = 0;

	errno = 0;
	if (fflush(f->file) || ferror(f->file) || fchmod(fileno(f->file), FILE_MODE) ||
	    fsync(fileno(f->file)))
		err = errno ? -errno : -EIO;
	if (fclose(f->file) && !err)
		err = -errno;
	if (!err && rename(f->temporary, f->path))
		err = -errno;
	if (err)
		unlink(f->temporary);
	return err;
}
