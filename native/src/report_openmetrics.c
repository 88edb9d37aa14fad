// SPDX-License-Identifier: GPL-3.0-or-later
/* OpenMetrics text, for the textfile collector of node_exporter. Base units, as it wants them. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "errname.h"
#include "version.h"

static void family(FILE *file, const char *name, const char *type, const char *help)
{
	fprintf(file, "# TYPE clockprobe_%s %s\n# HELP clockprobe_%s %s\n", name, type, name, help);
}

/* Exact: a double has too few digits for a time in nanoseconds. */
static void seconds(FILE *file, int64_t ns)
{
	uint64_t magnitude = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	fprintf(file, "%s%" PRIu64 ".%09" PRIu64 "\n", ns < 0 ? "-" : "", magnitude / 1000000000,
		magnitude % 1000000000);
}

/* Names come from drivers: escaped, and what is not printable ASCII replaced. */
static void label(FILE *file, const char *name, const char *value)
{
	fprintf(file, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', file);
		fputc(*value >= 0x20 && *value < 0x7f ? *value : '?', file);
	}
	fputc('"', file);
}

static void write_info(FILE *file, const struct probe *probe)
{
	/* a gauge: the parser of node_exporter refuses the type info */
	family(file, "clock_info", "gauge", "PTP clock of this host; always 1.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct clock_info *info = &probe->clocks[i].info;

		fprintf(file, "clockprobe_clock_info{clock=\"ptp%u\",kind=\"%s\",", info->index,
			clock_kind_name(info->kind));
		label(file, "name", info->name);
		fputc(',', file);
		label(file, "pci_address", info->pci_address);
		fputc(',', file);
		label(file, "driver", info->driver);
		fputs("} 1\n", file);
	}
}

/* A value of one clock: a whole number of ns or of things, or a ratio. */
struct value {
	bool known;
	enum { VALUE_NS, VALUE_COUNT, VALUE_RATIO } form;
	int64_t integer;
	double ratio;
};

/* Writes one gauge for every clock where it is known. */
static void write_gauge(FILE *file, const struct probe *probe, const char *name, const char *help,
			struct value (*value_of)(const struct probed_clock *c))
{
	family(file, name, "gauge", help);
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		struct value v = value_of(&probe->clocks[i]);

		if (!v.known)
			continue;
		fprintf(file, "clockprobe_%s{clock=\"ptp%u\"} ", name, probe->clocks[i].info.index);
		if (v.form == VALUE_NS)
			seconds(file, v.integer);
		else if (v.form == VALUE_COUNT)
			fprintf(file, "%" PRId64 "\n", v.integer);
		else
			fprintf(file, "%.17g\n", v.ratio);
	}
}

static struct value value_ns(bool known, int64_t ns)
{
	return (struct value){ .known = known, .form = VALUE_NS, .integer = ns };
}

static struct value value_count(bool known, int64_t count)
{
	return (struct value){ .known = known, .form = VALUE_COUNT, .integer = count };
}

static struct value value_ppb(bool known, double ppb)
{
	return (struct value){ .known = known, .form = VALUE_RATIO, .ratio = ppb / 1e9 };
}

static bool is_ok(const struct probed_clock *c)
{
	return c->measurement.status == MEASUREMENT_OK;
}

static struct value success(const struct probed_clock *c)
{
	return value_count(c->measurement.status != MEASUREMENT_SKIPPED, is_ok(c));
}

static struct value offset(const struct probed_clock *c)
{
	return value_ns(is_ok(c), c->measurement.estimate.offset_ns);
}

static struct value uncertainty(const struct probed_clock *c)
{
	return value_ns(is_ok(c), c->measurement.estimate.uncertainty_ns);
}

static struct value frequency(const struct probed_clock *c)
{
	return value_ppb(c->measurement.has_frequency, c->measurement.frequency_ppb);
}

static struct value frequency_uncertainty(const struct probed_clock *c)
{
	return value_ppb(c->measurement.has_frequency, c->measurement.frequency_uncertainty_ppb);
}

static struct value adjustment(const struct probed_clock *c)
{
	return value_ppb(c->measurement.collected.has_adjustment,
			 c->measurement.collected.adjustment_ppb);
}

static struct value error_bound(const struct probed_clock *c)
{
	return value_ns(c->info.has_error_bound, c->info.error_bound_ns);
}

static struct value samples(const struct probed_clock *c)
{
	return value_count(c->measurement.status != MEASUREMENT_SKIPPED,
			   c->measurement.collected.n_samples);
}

static struct value samples_tried(const struct probed_clock *c)
{
	return value_count(c->measurement.status != MEASUREMENT_SKIPPED,
			   c->measurement.collected.tried);
}

static const struct {
	const char *name;
	const char *help;
	struct value (*value_of)(const struct probed_clock *c);
} gauges[] = {
	{ "measurement_success", "Whether the clock could be measured.", success },
	{ "offset_seconds", "PHC minus system clock.", offset },
	{ "offset_uncertainty_seconds", "Bound of the error of the offset, either way.",
	  uncertainty },
	{ "frequency_offset_ratio", "Frequency of the PHC against CLOCK_MONOTONIC_RAW, minus 1.",
	  frequency },
	{ "frequency_offset_uncertainty_ratio",
	  "Bound of the error of the frequency offset, either way.", frequency_uncertainty },
	{ "frequency_adjustment_ratio", "Adjustment of the frequency of the PHC in force.",
	  adjustment },
	{ "phc_error_bound_seconds", "Error bound that the ENA device states.", error_bound },
	{ "samples", "Samples of the clock in this run.", samples },
	{ "samples_tried", "Samples asked for in this run.", samples_tried },
};

static void write_brackets(FILE *file, const struct probe *probe)
{
	/* the label quantile is reserved for summaries */
	family(file, "read_bracket_seconds", "summary",
	       "Time between the system clock reads around a read of the PHC, in this run.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct estimate *e = &probe->clocks[i].measurement.estimate;
		const struct {
			const char *quantile;
			int64_t ns;
		} rows[] = {
			{ "0", e->bracket.min_ns },   { "0.5", e->bracket.p50_ns },
			{ "0.9", e->bracket.p90_ns }, { "0.99", e->bracket.p99_ns },
			{ "1", e->bracket.max_ns },
		};

		for (unsigned row = 0; e->has_bracket && row < sizeof(rows) / sizeof(rows[0]);
		     row++) {
			fprintf(file,
				"clockprobe_read_bracket_seconds{clock=\"ptp%u\",quantile=\"%s\"} ",
				probe->clocks[i].info.index, rows[row].quantile);
			seconds(file, rows[row].ns);
		}
	}
}

static void write_failures(FILE *file, const struct probe *probe)
{
	family(file, "read_failures", "gauge", "Calls that failed in this run, by error.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct collected *c = &probe->clocks[i].measurement.collected;
		char name[ERRNO_NAME_SIZE];

		for (unsigned e = 0; e < c->n_errnos; e++)
			fprintf(file, "clockprobe_read_failures{clock=\"ptp%u\",errno=\"%s\"} %u\n",
				probe->clocks[i].info.index, errno_name(c->errnos[e].number, name),
				c->errnos[e].count);
	}
}

static void write_registers(FILE *file, const struct probe *probe)
{
	family(file, "cipu_register", "gauge", "Register of the CIPU clock.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct probed_clock *c = &probe->clocks[i];

		for (unsigned r = 0; c->has_cipu && r < CIPU_N_REGISTERS; r++) {
			if (c->cipu.registers[r].known)
				fprintf(file,
					"clockprobe_cipu_register{clock=\"ptp%u\",register=\"%s\"} %" PRIu64
					"\n",
					c->info.index, cipu_register_name(r),
					c->cipu.registers[r].value);
		}
	}
}

static void write_conditions(FILE *file, const struct probe *probe)
{
	family(file, "cipu_condition", "gauge", "Whether the CIPU clock reports the condition.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct probed_clock *c = &probe->clocks[i];
		const struct cipu_value *sync = &c->cipu.registers[CIPU_SYNC_STAT];

		for (unsigned b = 0; c->has_cipu && sync->known && b < CIPU_N_CONDITIONS; b++)
			fprintf(file,
				"clockprobe_cipu_condition{clock=\"ptp%u\",condition=\"%s\"} %d\n",
				c->info.index, cipu_conditions[b].name,
				!!(sync->value & cipu_conditions[b].bit));
	}
}

static void write_counters(FILE *file, const struct probe *probe)
{
	family(file, "cipu_events", "counter",
	       "Events that the driver counted since it was loaded.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct probed_clock *c = &probe->clocks[i];

		for (unsigned n = 0; c->has_cipu && n < CIPU_N_COUNTERS; n++) {
			if (c->cipu.counters[n].known)
				fprintf(file,
					"clockprobe_cipu_events_total{clock=\"ptp%u\",event=\"%s\"} %" PRIu64
					"\n",
					c->info.index, cipu_counter_name(n),
					c->cipu.counters[n].value);
		}
	}
}

static void write_functions(FILE *file, const struct probe *probe)
{
	family(file, "cipu_function_bound", "gauge",
	       "Whether a driver is bound to the CIPU clock function.");
	for (unsigned i = 0; i < probe->n_functions; i++)
		fprintf(file, "clockprobe_cipu_function_bound{pci_address=\"%s\"} %d\n",
			probe->functions[i].pci_address, !!*probe->functions[i].driver);
}

static void write_vmclock(FILE *file, const struct probe *probe)
{
	const struct vmclock *v = &probe->vmclock;

	if (!v->present || v->problem)
		return;
	family(file, "vmclock_disruption_marker", "gauge",
	       "Changes when the machine is migrated or restored; the low 53 bits.");
	/* a sample is a double: the low bits fit, and a change still shows */
	fprintf(file, "clockprobe_vmclock_disruption_marker %" PRIu64 "\n",
		v->disruption_marker & ((UINT64_C(1) << 53) - 1));
	if (!v->status.known)
		return;
	family(file, "vmclock_clock_status", "gauge",
	       "0 unknown, 1 initializing, 2 synchronized, 3 freerunning, 4 unreliable.");
	fprintf(file, "clockprobe_vmclock_clock_status %" PRIu64 "\n", v->status.value);
}

static void write_host(FILE *file, const struct probe *probe)
{
	family(file, "build_info", "gauge", "Version of clockprobe; always 1.");
	fprintf(file, "clockprobe_build_info{version=\"%s\"} 1\n", CLOCKPROBE_VERSION);
	family(file, "last_run_timestamp_seconds", "gauge", "Unix time at which the run began.");
	fputs("clockprobe_last_run_timestamp_seconds ", file);
	seconds(file, probe->host.taken_at_ns);
	family(file, "problems", "gauge",
	       "Problems that kept clockprobe from measuring everything.");
	fprintf(file, "clockprobe_problems %u\n", probe->problems.n);
	if (!probe->host.has_steal)
		return;
	family(file, "cpu_steal_ratio", "gauge",
	       "CPU time that the hypervisor took during the run.");
	fprintf(file, "clockprobe_cpu_steal_ratio %.17g\n", probe->host.steal_pct / 100);
}

void report_openmetrics(FILE *file, const struct probe *probe)
{
	write_host(file, probe);
	write_functions(file, probe);
	write_info(file, probe);
	for (unsigned i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		write_gauge(file, probe, gauges[i].name, gauges[i].help, gauges[i].value_of);
	write_brackets(file, probe);
	write_failures(file, probe);
	write_registers(file, probe);
	write_conditions(file, probe);
	write_counters(file, probe);
	write_vmclock(file, probe);
	fputs("# EOF\n", file);
}
