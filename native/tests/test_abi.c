// SPDX-License-Identifier: GPL-3.0-or-later
/* Compares ptp_abi.h with the header of the kernel. */
#include "unit.h"

#include <linux/ptp_clock.h>
#include <stddef.h>

#include "ptp_abi.h"

#define assert_same_offset(ours, our_field, theirs, their_field) \
	assert_int_equal(offsetof(struct ours, our_field), offsetof(struct theirs, their_field))

static void requests_are_the_kernels(void **state)
{
	(void)state;
	assert_true(PTP_ABI_GETCAPS == PTP_CLOCK_GETCAPS);
	assert_true(PTP_ABI_BASIC == PTP_SYS_OFFSET);
	assert_true(PTP_ABI_PRECISE == PTP_SYS_OFFSET_PRECISE);
	assert_true(PTP_ABI_EXTENDED == PTP_SYS_OFFSET_EXTENDED);
	assert_int_equal(PTP_ABI_MAX_SAMPLES, PTP_MAX_SAMPLES);
}

static void structures_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct ptp_abi_time), sizeof(struct ptp_clock_time));
	assert_same_offset(ptp_abi_time, nsec, ptp_clock_time, nsec);
	assert_same_offset(ptp_abi_basic, ts, ptp_sys_offset, ts);
	assert_same_offset(ptp_abi_extended, ts, ptp_sys_offset_extended, ts);
	assert_same_offset(ptp_abi_precise, sys_monoraw, ptp_sys_offset_precise, sys_monoraw);
	assert_same_offset(ptp_abi_caps, n_pins, ptp_clock_caps, n_pins);
	assert_same_offset(ptp_abi_caps, cross_timestamping, ptp_clock_caps, cross_timestamping);
	assert_int_equal(sizeof(struct ptp_abi_caps), sizeof(struct ptp_clock_caps));
	/* older headers have this field in rsv, whose first word it is */
	assert_int_equal(offsetof(struct ptp_abi_caps, max_phase_adj),
			 offsetof(struct ptp_clock_caps, adjust_phase) + sizeof(int));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_the_kernels),
		cmocka_unit_test(structures_are_the_kernels),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
