// SPDX-License-Identifier: GPL-3.0-or-later
#include "margin.h"

#include "estimate.h"
#include "tick.h"

/* PHC timestamps are whole nanoseconds. */
#define PHC_RESOLUTION_NS 1

/* Drivers and kernel convert between counters and round; no interface states the error. */
#define PRECISE_ERROR_NS 10

/* Cross timestamps that scatter by more contradict each other. */
#define PRECISE_SCATTER_NS 50

/* Readings of one call are close in time: an adjustment of the PHC's frequency cannot add up. */
int64_t margin_phc_tick_ns(const struct collected *c)
{
	int64_t within_ns[COLLECT_MAX_SAMPLES], across_ns = 0;
	unsigned n_within = 0;
	int64_t tick_ns, noise_ns;

	for (unsigned i = 1; i < c->n_samples; i++) {
		int64_t difference_ns = c->samples[i].phc_ns - c->samples[i - 1].phc_ns;

		if (c->samples[i].call == c->samples[i - 1].call)
			within_ns[n_within++] = difference_ns;
		else if (difference_ns > 1 && (!across_ns || difference_ns < across_ns))
			across_ns = difference_ns;
	}
	/* a cross timestamp has an error after the tick, in each of the four readings */
	noise_ns = c->method == PHC_METHOD_PRECISE ? PRECISE_ERROR_NS : TICK_ROUNDING_NS;
	tick_ns = tick_bound_ns(within_ns, n_within, noise_ns);
	return tick_ns ? tick_ns : tick_bound_ns(&across_ns, 1, noise_ns);
}

static int64_t precise_error_ns(const struct collected *c, int64_t other_ns)
{
	int64_t misfit_ns;

	if (c->method != PHC_METHOD_PRECISE)
		return 0;
	misfit_ns = estimate_misfit_ns(c, other_ns + PRECISE_ERROR_NS);
	/* what the samples show may be half of what they are off by */
	return misfit_ns <= PRECISE_SCATTER_NS ? PRECISE_ERROR_NS + 2 * misfit_ns :
						 PRECISE_ERROR_NS;
}

int64_t margin_ns(const struct collected *c, int64_t claimed_precision_ns)
{
	int64_t system_ns = c->resolution_ns > c->system_tick_ns ? c->resolution_ns :
								   c->system_tick_ns;
	int64_t other_ns = claimed_precision_ns + system_ns + margin_phc_tick_ns(c) +
			   PHC_RESOLUTION_NS;

	return other_ns + precise_error_ns(c, other_ns);
}
