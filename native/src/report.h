/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes the result of a run as a table, JSON or OpenMetrics text. */
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
