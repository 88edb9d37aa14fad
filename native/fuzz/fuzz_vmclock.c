// SPDX-License-Identifier: GPL-3.0-or-later
/* The VMClock page. */
#include "fuzz.h"
#include "vmclock.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmclock v;

	vmclock_parse(data, size, &v);
	if (v.problem && (v.time_s.known || v.status.known))
		abort();
	/* a field is known only where the page reaches */
	if (v.vm_generation.known && (size < 112 || v.size < 112))
		abort();
	if (v.time_s.known && (size < 88 || v.counter_id > VMCLOCK_COUNTER_X86_TSC))
		abort();
	if (v.time_fraction_ns.value >= 1000000000)
		abort();
	vmclock_status_name(v.status.value);
	vmclock_time_type_name(v.time_type.value);
	vmclock_leap_name(v.leap_indicator.value);
	vmclock_smearing_name(v.smearing_hint.value);
	return 0;
}
