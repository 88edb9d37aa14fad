/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of users and groups. getpwuid would pull the C library's lookup modules in at run time. */
#ifndef CLOCKPROBE_ACCOUNTS_H
#define CLOCKPROBE_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#define ACCOUNT_NAME_SIZE 64

/* Looks id up in text of the form of passwd(5) or group(5). */
bool accounts_find(const char *text, size_t length, unsigned id, char *name, size_t size);

/* The name in root + path ("/etc/passwd" or "/etc/group"), or the number where there is none. */
void accounts_name(const char *root, const char *path, unsigned id, char *name, size_t size);

#endif
