/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How fast the kernel may slew the system clock, from the state that adjtimex() reports. */
#ifndef CLOCKPROBE_SLEW_H
#define CLOCKPROBE_SLEW_H

#include <stdint.h>
#include <sys/timex.h>

int64_t slew_limit_ppb(const struct timex *tx);

/* The limit where adjtimex() is not permitted. */
#define SLEW_DEFAULT_PPB 600000

#endif
