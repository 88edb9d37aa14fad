/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads small text files of the kernel as untrusted data: bounded and validated. */
#ifndef CLOCKPROBE_TEXT_H
#define CLOCKPROBE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TEXT_PATH_SIZE 1024

/* Writes root + path to buf. Returns 0, or -ENAMETOOLONG when it does not fit. */
int text_path(char *buf, size_t size, const char *root, const char *path);

/* Reads up to size bytes of a regular file, without a terminator. Returns the length or -errno. */
ssize_t text_read_head(const char *root, const char *path, void *buf, size_t size);

/* Reads a one-line attribute without its newline. Returns the length or -errno:
 * -EFBIG when it is longer than the buffer, -EILSEQ when it is not one printable line. */
ssize_t text_read_line(const char *root, const char *path, char *buf, size_t size);

/* Parses one number, decimal or 0x hexadecimal, and nothing else. */
bool text_parse_u64(const char *text, uint64_t *value);
bool text_parse_i64(const char *text, int64_t *value);

int text_read_u64(const char *root, const char *path, uint64_t *value);

/* The last component of the target of a symbolic link; false when there is no such link. */
bool text_link_base(const char *root, const char *path, char *buf, size_t size);

/* Copies as much as fits. Returns whether all of it did. */
bool text_copy(char *to, size_t size, const char *from);

#endif
