// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Runs shell commands from standard input, one per line: "ID COMMAND".
 * Answers each with "ID STATUS LENGTH\n" and that many bytes of its output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (4 << 20)

static char output[OUTPUT_MAX];

static int run(const char *command, size_t *length)
{
	int fds[2], status = 0;
	ssize_t got;
	pid_t pid;

	*length = 0;
	if (pipe(fds))
		return 126;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[1]);
		close(0);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while (*length < OUTPUT_MAX &&
	       (got = read(fds[0], output + *length, OUTPUT_MAX - *length)) > 0)
		*length += (size_t)got;
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		char *command = strchr(line, ' ');
		size_t length;
		int status;

		if (!command)
			continue;
		*command++ = '\0';
		status = run(command, &length);
		printf("%s %d %zu\n", line, status, length);
		fwrite(output, 1, length, stdout);
		fflush(stdout);
	}
	return 0;
}
