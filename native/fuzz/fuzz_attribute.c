// SPDX-License-Identifier: GPL-3.0-or-later
/* An attribute file of sysfs, as a line and as a number. */
#include "cipu.h"
#include "discover.h"
#include "fuzz.h"
#include "json.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory, which text_read_line opens by its path. */
static const char *memory_file(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("attribute", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	return path;
}

static void write_out(const char *line)
{
	char *text = NULL;
	size_t length = 0;
	struct json j = { .file = open_memstream(&text, &length) };

	json_string(&j, NULL, line);
	(void)fclose(j.file);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < 0x20)
			abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = memory_file(data, size);
	char line[DISCOVER_NAME_SIZE];
	uint64_t value;
	int64_t number;

	text_read_u64("", path, &value);
	if (text_read_line("", path, line, sizeof(line)) < 0)
		return 0;
	if (strlen(line) >= sizeof(line))
		abort();
	text_parse_i64(line, &number);
	is_pci_address(line);
	clock_kind_of(line, line, false);
	write_out(line);
	return 0;
}
