// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Copies the kernel's log to standard output, as the console would show it.
 * The console itself is kept quiet: printing there from an interrupt is a lock
 * inversion of the kernel's own, and lockdep stops watching at the first one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	char record[8192];
	int fd = open("/dev/kmsg", O_RDONLY);

	for (;;) {
		ssize_t got = read(fd, record, sizeof(record) - 1);
		unsigned long long us;
		char *text, *end;

		if (got < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (got <= 0)
			return 1;
		record[got] = '\0';
		text = strchr(record, ';');
		if (!text || sscanf(record, "%*u,%*u,%llu", &us) != 1)
			continue;
		/* Lines that begin with a blank name the device. */
		end = strchr(text, '\n');
		if (end)
			*end = '\0';
		printf("[%5llu.%06llu] %s\n", us / 1000000, us % 1000000, text + 1);
		fflush(stdout);
	}
}
