/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CLOCKPROBE_ERRNAME_H
#define CLOCKPROBE_ERRNAME_H

#define ERRNO_NAME_SIZE 16

/* "EIO" for EIO, "E123" for an error without a name here, "EOTHER" for 0. Returns buf. */
const char *errno_name(int number, char buf[ERRNO_NAME_SIZE]);

#endif
