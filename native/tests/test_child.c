// SPDX-License-Identifier: GPL-3.0-or-later
#include "unit.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "monotime.h"

#define NS_PER_MS 1000000
#define LONG_NS (30000 * (int64_t)NS_PER_MS)

static void write_answer(void *argument)
{
	*(volatile int *)argument = 42;
}

static void crash(void *argument)
{
	(void)argument;
	raise(SIGKILL);
}

static void write_and_block(void *argument)
{
	write_answer(argument);
	for (;;)
		pause();
}

static void what_a_child_writes_is_seen(void **state)
{
	int *answer = child_memory(sizeof(*answer));

	(void)state;
	assert_int_equal(child_run(write_answer, answer, LONG_NS), CHILD_DONE);
	assert_int_equal(*answer, 42);
	child_memory_free(answer, sizeof(*answer));
}

static void a_child_that_dies_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(child_run(crash, NULL, LONG_NS), CHILD_CRASHED);
}

static void a_child_that_blocks_ends_at_its_deadline(void **state)
{
	int *answer = child_memory(sizeof(*answer));
	int64_t start_ns = monotonic_ns();

	(void)state;
	assert_int_equal(child_run(write_and_block, answer, 50 * NS_PER_MS), CHILD_TIMED_OUT);
	assert_true(monotonic_ns() - start_ns >= 50 * NS_PER_MS);
	assert_true(monotonic_ns() - start_ns < LONG_NS);
	/* its result until then is kept */
	assert_int_equal(*answer, 42);
	child_memory_free(answer, sizeof(*answer));
}

static void stop_parent(void *argument)
{
	const struct timespec stop = { 1, 300 * NS_PER_MS }, rest = { 0, 100 * NS_PER_MS };

	(void)argument;
	kill(getppid(), SIGSTOP);
	nanosleep(&stop, NULL);
	kill(getppid(), SIGCONT);
	nanosleep(&rest, NULL);
}

/* Time for which this process is stopped does not count towards the deadline. */
static void a_stop_of_the_parent_is_no_time_out(void **state)
{
	(void)state;
	assert_int_equal(child_run(stop_parent, NULL, 1000 * NS_PER_MS), CHILD_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_child_writes_is_seen),
		cmocka_unit_test(a_child_that_dies_is_noticed),
		cmocka_unit_test(a_stop_of_the_parent_is_no_time_out),
		cmocka_unit_test(a_child_that_blocks_ends_at_its_deadline),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
