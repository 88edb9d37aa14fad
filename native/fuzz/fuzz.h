/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every fuzz target offers: to libFuzzer, or to replay.c. */
#ifndef CLOCKPROBE_FUZZ_H
#define CLOCKPROBE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
