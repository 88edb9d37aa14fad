// SPDX-License-Identifier: GPL-3.0-or-later
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int text_path(char *buf, size_t size, const char *root, const char *path)
{
	int n = snprintf(buf, size, "%s%s", root, path);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return 0;
}

/* O_NONBLOCK and the type check: a pipe or a device in place of a file must not block. */
static int open_regular(const char *root, const char *path)
{
	char full[TEXT_PATH_SIZE];
	struct stat st;
	int fd, err;

	err = text_path(full, sizeof(full), root, path);
	if (err)
		return err;
	fd = open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

ssize_t text_read_head(const char *root, const char *path, void *buf, size_t size)
{
	size_t length = 0;
	ssize_t n;
	int fd, err = 0;

	fd = open_regular(root, path);
	if (fd < 0)
		return fd;
	while (length < size) {
		n = read(fd, (char *)buf + length, size - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	close(fd);
	return err ? err : (ssize_t)length;
}

ssize_t text_read_line(const char *root, const char *path, char *buf, size_t size)
{
	ssize_t n = text_read_head(root, path, buf, size);

	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	for (ssize_t i = 0; i < n; i++) {
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			return -EILSEQ;
	}
	buf[n] = '\0';
	return n;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* strtoull accepts signs and blanks, which attributes do not have. */
bool text_parse_u64(const char *text, uint64_t *value)
{
	uint64_t v = 0;
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		int digit = digit_value(*text);

		if (digit >= base)
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit, &v))
			return false;
	}
	*value = v;
	return true;
}

bool text_parse_i64(const char *text, int64_t *value)
{
	bool negative = text[0] == '-';
	uint64_t v;

	if (!text_parse_u64(text + negative, &v))
		return false;
	if (v > (uint64_t)INT64_MAX)
		return false;
	*value = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

int text_read_u64(const char *root, const char *path, uint64_t *value)
{
	char line[64];
	ssize_t n = text_read_line(root, path, line, sizeof(line));

	if (n < 0)
		return (int)n;
	return text_parse_u64(line, value) ? 0 : -EINVAL;
}

bool text_link_base(const char *root, const char *path, char *buf, size_t size)
{
	char full[TEXT_PATH_SIZE], target[TEXT_PATH_SIZE];
	const char *base;
	ssize_t n;

	if (text_path(full, sizeof(full), root, path))
		return false;
	n = readlink(full, target, sizeof(target) - 1);
	if (n <= 0 || (size_t)n == sizeof(target) - 1)
		return false;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	return *base && text_copy(buf, size, base);
}

bool text_copy(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);
	bool fits = n < size;

	if (!fits)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
	return fits;
}
