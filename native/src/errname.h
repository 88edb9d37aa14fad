/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CLOCKPROBE_ERRNAME_H
#define CLOCKPROBE_ERRNAME_H

/* "EIO" for EIO. Errors that no clock is known to give are "EOTHER". */
const char *errno_name(int number);

#endif
