// SPDX-License-Identifier: GPL-3.0-or-later
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>

void problems_add(struct problems *problems, const char *format, ...)
{
	va_list arguments;

	if (problems->n == PROBLEMS_MAX) {
		snprintf(problems->text[PROBLEMS_MAX - 1], PROBLEM_SIZE,
			 "there are more problems than this list has room for");
		return;
	}
	va_start(arguments, format);
	vsnprintf(problems->text[problems->n++], PROBLEM_SIZE, format, arguments);
	va_end(arguments);
}
