/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the VMClock page, in which a hypervisor describes its clock to the guest. */
#ifndef CLOCKPROBE_VMCLOCK_H
#define CLOCKPROBE_VMCLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMCLOCK_NODE "/dev/vmclock0"
#define VMCLOCK_PAGE_SIZE 4096

enum vmclock_counter {
	VMCLOCK_COUNTER_ARM_VCNT = 0,
	VMCLOCK_COUNTER_X86_TSC = 1,
	VMCLOCK_COUNTER_INVALID = 0xff,
};

enum vmclock_status {
	VMCLOCK_UNKNOWN,
	VMCLOCK_INITIALIZING,
	VMCLOCK_SYNCHRONIZED,
	VMCLOCK_FREERUNNING,
	VMCLOCK_UNRELIABLE,
};

enum vmclock_flag {
	VMCLOCK_FLAG_TAI_OFFSET = 1u << 0,
	VMCLOCK_FLAG_DISRUPTION_SOON = 1u << 1,
	VMCLOCK_FLAG_DISRUPTION_IMMINENT = 1u << 2,
	VMCLOCK_FLAG_PERIOD_ESTERROR = 1u << 3,
	VMCLOCK_FLAG_PERIOD_MAXERROR = 1u << 4,
	VMCLOCK_FLAG_TIME_ESTERROR = 1u << 5,
	VMCLOCK_FLAG_TIME_MAXERROR = 1u << 6,
	VMCLOCK_FLAG_TIME_MONOTONIC = 1u << 7,
	VMCLOCK_FLAG_VM_GENERATION = 1u << 8,
	VMCLOCK_FLAG_NOTIFICATION = 1u << 9,
};

/*
 * A field is not known where the page is too short for it or its flag is not set. Without a
 * counter, no field that describes time is known: those bytes are zero then, and zero is a scale.
 */
struct vmclock_u64 {
	bool known;
	uint64_t value;
};

struct vmclock_double {
	bool known;
	double value;
};

struct vmclock {
	bool present;	     /* the node exists */
	const char *problem; /* why the page cannot be used; NULL when it can */
	uint32_t size;
	uint16_t version;
	uint8_t counter_id;
	uint64_t disruption_marker;
	uint64_t flags;
	struct vmclock_u64 status;
	struct vmclock_u64 time_type;
	struct vmclock_u64 smearing_hint;
	bool has_tai_offset;
	int16_t tai_offset_s;
	struct vmclock_u64 leap_indicator;
	struct vmclock_u64 counter_value;
	struct vmclock_double counter_hz;
	struct vmclock_double period_est_error_ppb;
	struct vmclock_double period_max_error_ppb;
	struct vmclock_u64 time_s; /* at counter_value, in the scale of time_type */
	struct vmclock_u64 time_fraction_ns;
	struct vmclock_u64 time_est_error_ns;
	struct vmclock_u64 time_max_error_ns;
	struct vmclock_u64 vm_generation;
};

/* Parses a page of which length bytes could be read. */
void vmclock_parse(const uint8_t *page, size_t length, struct vmclock *v);

void vmclock_read(const char *root, struct vmclock *v);

/* NULL for a value without a name. */
const char *vmclock_counter_name(uint8_t counter_id);
const char *vmclock_time_type_name(uint64_t time_type);
const char *vmclock_status_name(uint64_t status);
const char *vmclock_smearing_name(uint64_t hint);
const char *vmclock_leap_name(uint64_t indicator);

#endif
