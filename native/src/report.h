/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a probe found, in the forms that people and programs read. */
#ifndef CLOCKPROBE_REPORT_H
#define CLOCKPROBE_REPORT_H

#include <stdio.h>

#include "compare.h"
#include "probe.h"

void report_json(FILE *file, const struct probe *probe);
void report_table(FILE *file, const struct probe *probe);
void report_openmetrics(FILE *file, const struct probe *probe);

void report_comparison_json(FILE *file, const struct comparison *comparison);
void report_comparison_table(FILE *file, const struct comparison *comparison);

#endif
