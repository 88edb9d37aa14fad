/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small text files of the kernel, read as data of unknown origin: bounded and validated. */
#ifndef CLOCKPROBE_TEXT_H
#define CLOCKPROBE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TEXT_PATH_SIZE 1024

/* root + path into buf; -ENAMETOOLONG when it does not fit. */
int text_path(char *buf, size_t size, const char *root, const char *path);

/* The first size bytes of a regular file at most, no terminator. Length, or -errno. */
ssize_t text_read_head(const char *root, const char *path, void *buf, size_t size);

/* A whole one-line attribute, newline cut off, terminated. Length, or -errno:
 * -EFBIG when longer than the buffer, -EILSEQ when it is no printable line. */
ssize_t text_read_line(const char *root, const char *path, char *buf, size_t size);

/* One number, decimal or 0x hexadecimal, and nothing else. */
bool text_parse_u64(const char *text, uint64_t *value);
bool text_parse_i64(const char *text, int64_t *value);

int text_read_u64(const char *root, const char *path, uint64_t *value);

/* Last component of what a symbolic link points to; false when there is no such link. */
bool text_link_base(const char *root, const char *path, char *buf, size_t size);

/* Copies what fits; true when all of it did. */
bool text_copy(char *to, size_t size, const char *from);

#endif
