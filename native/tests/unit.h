/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What cmocka wants included before itself. */
#ifndef CLOCKPROBE_UNIT_H
#define CLOCKPROBE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the four above */
#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
