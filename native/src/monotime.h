/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time for deadlines, from CLOCK_MONOTONIC, which cannot be set. */
#ifndef CLOCKPROBE_MONOTIME_H
#define CLOCKPROBE_MONOTIME_H

#include <stdint.h>

int64_t monotonic_ns(void);

#endif
