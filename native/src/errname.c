// SPDX-License-Identifier: GPL-3.0-or-later
#include "errname.h"

#include <errno.h>
#include <stdio.h>

/* clang-format would break the braces into four lines. */
/* clang-format off */
#define NAME(e) { e, #e }
/* clang-format on */

const char *errno_name(int number, char buf[ERRNO_NAME_SIZE])
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		NAME(EACCES),	 NAME(EAGAIN),	   NAME(EBUSY),	 NAME(EFAULT), NAME(EINTR),
		NAME(EINVAL),	 NAME(EIO),	   NAME(ELOOP),	 NAME(EMFILE), NAME(ENFILE),
		NAME(ENODEV),	 NAME(ENOENT),	   NAME(ENOMEM), NAME(ENOSYS), NAME(ENOTTY),
		NAME(ENXIO),	 NAME(EOPNOTSUPP), NAME(EPERM),	 NAME(ERANGE), NAME(EROFS),
		NAME(ETIMEDOUT),
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].number == number) {
			snprintf(buf, ERRNO_NAME_SIZE, "%s", names[i].name);
			return buf;
		}
	}
	/* two errors without a name must not share one */
	if (number)
		snprintf(buf, ERRNO_NAME_SIZE, "E%d", number);
	else
		snprintf(buf, ERRNO_NAME_SIZE, "EOTHER");
	return buf;
}
