// SPDX-License-Identifier: GPL-3.0-or-later
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CELL_SIZE 32

/* Names come from drivers: replaces what a terminal could interpret. */
static const char *printable(const char *text, char *buf, size_t size)
{
	size_t i;

	for (i = 0; text[i] && i < size - 1; i++)
		buf[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	buf[i] = '\0';
	return buf;
}

/* Formats a duration with the unit that fits. */
static const char *duration(char *cell, int64_t ns, const char *sign)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" } };
	double magnitude = ns < 0 ? -(double)ns : (double)ns;

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (magnitude >= units[i].ns) {
			snprintf(cell, CELL_SIZE, "%s%.3f %s", ns < 0 ? "-" : sign,
				 magnitude / units[i].ns, units[i].unit);
			return cell;
		}
	}
	snprintf(cell, CELL_SIZE, "%s%.0f ns", ns < 0 ? "-" : sign, magnitude);
	return cell;
}

static void print_clock_line(FILE *file, const struct probed_clock *c)
{
	const struct measurement *m = &c->measurement;
	const struct estimate *e = &m->estimate;
	char offset[CELL_SIZE] = "-", bound[CELL_SIZE] = "-", name[CELL_SIZE];
	const char *method = phc_method_name(m->collected.method);

	if (m->status == MEASUREMENT_OK) {
		duration(offset, e->offset_ns, "+");
		duration(bound, e->uncertainty_ns, "");
	}
	fprintf(file, "%-6s %-8s %-16s %-13s %-13s %14s %12s  %-9s %u/%u\n", c->info.node + 5,
		clock_kind_name(c->info.kind), printable(c->info.name, name, sizeof(name)),
		*c->info.pci_address ? c->info.pci_address : "-",
		measurement_status_name(m->status), offset, bound, method ? method : "-",
		m->collected.n_samples, m->collected.tried);
}

static void print_measurement(FILE *file, const struct measurement *m)
{
	const struct estimate *e = &m->estimate;
	char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE];

	if (*m->reason)
		fprintf(file, "       %s\n", m->reason);
	if (m->hint)
		fprintf(file, "       hint: %s\n", m->hint);
	if (e->has_bracket)
		fprintf(file, "       bracket: %s minimum, %s median, %s maximum\n",
			duration(a, e->bracket.min_ns, ""), duration(b, e->bracket.p50_ns, ""),
			duration(c, e->bracket.max_ns, ""));
	if (m->status != MEASUREMENT_OK)
		return;
	fprintf(file, "       interval of all samples: %s to %s; narrow mean %s\n",
		duration(a, e->interval.lo_ns, "+"), duration(b, e->interval.hi_ns, "+"),
		duration(c, e->narrow_mean_ns, "+"));
	if (m->has_frequency)
		fprintf(file, "       frequency %+.1f ppb +/- %.1f ppb over %s\n", m->frequency_ppb,
			m->frequency_uncertainty_ppb, duration(a, m->frequency_baseline_ns, ""));
}

static void print_sync(FILE *file, const struct cipu_value *sync_stat)
{
	bool any = false;

	if (!sync_stat->known)
		return;
	fputs("       device status:", file);
	for (unsigned i = 0; i < CIPU_N_CONDITIONS; i++) {
		if (!(sync_stat->value & cipu_conditions[i].bit))
			continue;
		fprintf(file, "%s %s", any ? "," : "", cipu_conditions[i].text);
		any = true;
	}
	fputs(any ? "\n" : " normal\n", file);
}

static void print_device(FILE *file, const struct probed_clock *c)
{
	const struct collected *collected = &c->measurement.collected;
	char text[CELL_SIZE];

	if (collected->has_adjustment && collected->adjustment_ppb != 0)
		fprintf(file, "       the PHC's frequency is adjusted by %+.3f ppb\n",
			collected->adjustment_ppb);
	if (c->info.has_error_bound)
		fprintf(file, "       error bound stated by the device: %s\n",
			duration(text, c->info.error_bound_ns, ""));
	for (unsigned i = 0; i < c->info.n_interfaces; i++)
		fprintf(file, "       network interface %s\n",
			printable(c->info.interfaces[i], text, sizeof(text)));
}

static void print_cipu(FILE *file, const struct cipu *cipu)
{
	const struct cipu_value *reads = &cipu->counters[CIPU_GETTM];
	const struct cipu_value *invalid = &cipu->counters[CIPU_GETTM_INVAL_ERR];
	const struct cipu_value *slow = &cipu->counters[CIPU_GETTM_TOUT_ERR];

	print_sync(file, &cipu->registers[CIPU_SYNC_STAT]);
	if (reads->known && invalid->known && slow->known)
		fprintf(file,
			"       since the driver was loaded: %" PRIu64 " reads, %" PRIu64
			" invalid, %" PRIu64 " timed out\n",
			reads->value, invalid->value, slow->value);
}

static void print_vmclock(FILE *file, const struct probe *probe)
{
	const struct vmclock *v = &probe->vmclock;
	const char *status = v->status.known ? vmclock_status_name(v->status.value) : NULL;

	if (!v->present)
		return;
	fputs("VMClock " VMCLOCK_NODE ": ", file);
	if (v->problem) {
		fprintf(file, "%s\n", v->problem);
		return;
	}
	fprintf(file, "marker %" PRIu64 "%s, status %s, %s\n", v->disruption_marker,
		!probe->marker_changed_known ? "" :
		probe->marker_changed	     ? " (changed: migrated or restored)" :
					       " (unchanged)",
		status ? status : "unknown", v->time_s.known ? "has time" : "no time");
}

static void print_links(FILE *file, const struct clock_info *info)
{
	char text[DISCOVER_NAME_SIZE];

	for (unsigned i = 0; i < info->n_links; i++)
		fprintf(file, "       %s\n", printable(info->links[i], text, sizeof(text)));
}

void report_table(FILE *file, const struct probe *probe)
{
	if (probe->n_clocks)
		fprintf(file, "%-6s %-8s %-16s %-13s %-13s %14s %12s  %-9s %s\n", "clock", "kind",
			"name", "device", "measurement", "offset", "+/-", "method", "samples");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct probed_clock *c = &probe->clocks[i];

		print_clock_line(file, c);
		print_links(file, &c->info);
		print_device(file, c);
		print_measurement(file, &c->measurement);
		if (c->has_cipu)
			print_cipu(file, &c->cipu);
	}
	for (unsigned i = 0; i < probe->n_functions; i++) {
		if (!*probe->functions[i].driver)
			fprintf(file, "CIPU clock function %s has no driver\n",
				probe->functions[i].pci_address);
	}
	print_vmclock(file, probe);
	for (unsigned i = 0; i < probe->problems.n; i++) {
		char text[PROBLEM_SIZE];

		fprintf(file, "problem: %s\n",
			printable(probe->problems.text[i], text, sizeof(text)));
	}
	if (!probe->n_clocks && !probe->n_functions && !probe->problems.n)
		fputs("this host has no PTP clock\n", file);
}

void report_comparison_table(FILE *file, const struct comparison *c)
{
	const struct difference *d = &c->difference;
	char x[CELL_SIZE], y[CELL_SIZE];

	fprintf(file, "%s - %s: ", c->info[0].node, c->info[1].node);
	if (c->status != MEASUREMENT_OK) {
		fprintf(file, "%s, %s\n", measurement_status_name(c->status), c->reason);
		return;
	}
	fprintf(file, "%s +/- %s", duration(x, d->offset_ns, "+"),
		duration(y, d->uncertainty_ns, ""));
	fprintf(file, "; interval of all samples: %s to %s\n", duration(x, d->interval.lo_ns, "+"),
		duration(y, d->interval.hi_ns, "+"));
}
