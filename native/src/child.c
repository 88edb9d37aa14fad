// SPDX-License-Identifier: GPL-3.0-or-later
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monotime.h"

#define NS_PER_MS 1000000

/* What a killed child may take to go away, unless the kernel holds it. */
#define KILL_GRACE_NS (200 * NS_PER_MS)

void *child_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void child_memory_free(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

/* The child holds the other end of the pipe: it closes when the child ends, however it ends. */
static bool wait_for_end(int fd, int64_t deadline_ns)
{
	int64_t end_ns = monotonic_ns() + deadline_ns, left_ns;
	struct pollfd pfd = { .fd = fd };

	while ((left_ns = end_ns - monotonic_ns()) > 0) {
		if (poll(&pfd, 1, (int)(left_ns / NS_PER_MS) + 1) > 0)
			return true;
	}
	return false;
}

static enum child_end reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return CHILD_CRASHED;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? CHILD_DONE : CHILD_CRASHED;
}

enum child_end child_run(void (*work)(void *argument), void *argument, int64_t deadline_ns)
{
	enum child_end end;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return CHILD_NOT_STARTED;
	pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return CHILD_NOT_STARTED;
	}
	if (!pid) {
		/* no orphan goes on reading clocks */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work(argument);
		_exit(0);
	}
	close(ends[1]);
	if (wait_for_end(ends[0], deadline_ns)) {
		end = reap(pid);
	} else {
		end = CHILD_TIMED_OUT;
		kill(pid, SIGKILL);
		if (wait_for_end(ends[0], KILL_GRACE_NS))
			reap(pid);
	}
	close(ends[0]);
	return end;
}
