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

/* Time for a killed child to end. A child that hangs in the kernel does not. */
#define KILL_GRACE_NS (200 * NS_PER_MS)

#define SLICE_NS (100 * NS_PER_MS)

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

/*
 * The pipe closes when the child ends, however it ends. A slice that lasted longer than asked for
 * counts as asked for: this process was stopped, and the child perhaps with it.
 */
static bool wait_for_end(int fd, int64_t left_ns)
{
	struct pollfd pfd = { .fd = fd };

	for (;;) {
		int64_t slice_ns = left_ns < SLICE_NS ? left_ns : SLICE_NS;
		int64_t start_ns = monotonic_ns(), spent_ns;

		if (slice_ns < 0)
			slice_ns = 0;
		if (poll(&pfd, 1, (int)(slice_ns / NS_PER_MS) + 1) > 0)
			return true;
		if (left_ns <= 0)
			return false;
		spent_ns = monotonic_ns() - start_ns;
		left_ns -= spent_ns < slice_ns + NS_PER_MS ? spent_ns : slice_ns;
	}
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
		/* no orphan continues to read clocks */
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
