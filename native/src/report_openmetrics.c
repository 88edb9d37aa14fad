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

/* A label's value: names come from drivers. */
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

static void clock_sample(FILE *file, const char *name, const struct probed_clock *c, double value)
{
	fprintf(file, "clockprobe_%s{clock=\"ptp%u\"} %.12g\n", name, c->info.index, value);
}

static void write_info(FILE *file, const struct probe *probe)
{
	/* no info type: node_exporter's parser refuses the whole file for it */
	family(file, "clock", "gauge", "Always 1: a PTP clock of this host.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct clock_info *info = &probe->clocks[i].info;

		fprintf(file, "clockprobe_clock{clock=\"ptp%u\",kind=\"%s\",", info->index,
			clock_kind_name(info->kind));
		label(file, "name", info->name);
		fputc(',', file);
		label(file, "pci_address", info->pci_address);
		fputc(',', file);
		label(file, "driver", info->driver);
		fputs("} 1\n", file);
	}
}

/* One gauge of every clock that has it. */
static void write_gauge(FILE *file, const struct probe *probe, const char *name, const char *help,
			bool (*value)(const struct probed_clock *c, double *v))
{
	family(file, name, "gauge", help);
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		double v;

		if (value(&probe->clocks[i], &v))
			clock_sample(file, name, &probe->clocks[i], v);
	}
}

static bool is_ok(const struct probed_clock *c)
{
	return c->measurement.status == MEASUREMENT_OK;
}

static bool measured(const struct probed_clock *c, double *v)
{
	*v = is_ok(c);
	return c->measurement.status != MEASUREMENT_SKIPPED;
}

static bool offset_s(const struct probed_clock *c, double *v)
{
	*v = (double)c->measurement.estimate.offset_ns / 1e9;
	return is_ok(c);
}

static bool uncertainty_s(const struct probed_clock *c, double *v)
{
	*v = (double)c->measurement.estimate.uncertainty_ns / 1e9;
	return is_ok(c);
}

static bool frequency_ratio(const struct probed_clock *c, double *v)
{
	*v = c->measurement.frequency_ppb / 1e9;
	return c->measurement.has_frequency;
}

static bool frequency_uncertainty_ratio(const struct probed_clock *c, double *v)
{
	*v = c->measurement.frequency_uncertainty_ppb / 1e9;
	return c->measurement.has_frequency;
}

static bool samples(const struct probed_clock *c, double *v)
{
	*v = c->measurement.collected.n_samples;
	return true;
}

static bool samples_tried(const struct probed_clock *c, double *v)
{
	*v = c->measurement.collected.tried;
	return true;
}

static void write_brackets(FILE *file, const struct probe *probe)
{
	family(file, "bracket_seconds", "gauge", "Time that reading the clock took, by quantile.");
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

		for (unsigned row = 0; e->has_bracket && row < sizeof(rows) / sizeof(rows[0]); row++)
			fprintf(file,
				"clockprobe_bracket_seconds{clock=\"ptp%u\",quantile=\"%s\"} %.9f\n",
				probe->clocks[i].info.index, rows[row].quantile,
				(double)rows[row].ns / 1e9);
	}
}

static void write_failures(FILE *file, const struct probe *probe)
{
	family(file, "failures", "gauge", "Reads of the clock that failed in this run, by error.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct collected *c = &probe->clocks[i].measurement.collected;

		for (unsigned e = 0; e < c->n_errnos; e++)
			fprintf(file, "clockprobe_failures{clock=\"ptp%u\",errno=\"%s\"} %u\n",
				probe->clocks[i].info.index, errno_name(c->errnos[e].number),
				c->errnos[e].count);
	}
}

static void write_registers(FILE *file, const struct probe *probe)
{
	family(file, "cipu_register", "gauge", "A register of the CIPU clock, as it stands.");
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
	static const struct {
		unsigned bit;
		const char *name;
	} bits[] = {
		{ CIPU_SYNC_MAINTENANCE, "maintenance" },
		{ CIPU_SYNC_CLOCK_ABNORMAL, "clock_abnormal" },
		{ CIPU_SYNC_BUSY, "busy" },
		{ CIPU_SYNC_DEVICE_ERROR, "device_error" },
	};

	family(file, "cipu_condition", "gauge", "1 while the CIPU clock says so of itself.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct probed_clock *c = &probe->clocks[i];
		const struct cipu_value *sync = &c->cipu.registers[CIPU_SYNC_STAT];

		for (unsigned b = 0; c->has_cipu && sync->known && b < sizeof(bits) / sizeof(bits[0]);
		     b++)
			fprintf(file, "clockprobe_cipu_condition{clock=\"ptp%u\",condition=\"%s\"} %d\n",
				c->info.index, bits[b].name, !!(sync->value & bits[b].bit));
	}
}

static void write_counters(FILE *file, const struct probe *probe)
{
	family(file, "cipu_events", "counter", "Counts of the driver since it was loaded.");
	for (unsigned i = 0; i < probe->n_clocks; i++) {
		const struct probed_clock *c = &probe->clocks[i];

		for (unsigned n = 0; c->has_cipu && n < CIPU_N_COUNTERS; n++) {
			if (c->cipu.counters[n].known)
				fprintf(file,
					"clockprobe_cipu_events_total{clock=\"ptp%u\",event=\"%s\"} %" PRIu64
					"\n",
					c->info.index, cipu_counter_name(n), c->cipu.counters[n].value);
		}
	}
}

static void write_functions(FILE *file, const struct probe *probe)
{
	family(file, "cipu_function_bound", "gauge",
	       "1 for a CIPU clock function with a driver, 0 for one without.");
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
	       "Changes when the machine was migrated or restored; low 53 bits.");
	/* a sample is a double: what does not fit is cut, a change still shows */
	fprintf(file, "clockprobe_vmclock_disruption_marker %" PRIu64 "\n",
		v->disruption_marker & ((UINT64_C(1) << 53) - 1));
	if (!v->status.known)
		return;
	family(file, "vmclock_status", "gauge",
	       "0 unknown, 1 initialising, 2 synchronised, 3 free running, 4 unreliable.");
	fprintf(file, "clockprobe_vmclock_status %" PRIu64 "\n", v->status.value);
}

static void write_host(FILE *file, const struct probe *probe)
{
	family(file, "build", "gauge", "Always 1: what made this.");
	fprintf(file, "clockprobe_build{version=\"%s\"} 1\n", CLOCKPROBE_VERSION);
	family(file, "taken_at_seconds", "gauge", "When the measurement began, Unix time.");
	fprintf(file, "clockprobe_taken_at_seconds %.3f\n", (double)probe->host.taken_at_ns / 1e9);
	if (!probe->host.has_steal)
		return;
	family(file, "steal_ratio", "gauge", "CPU time that the hypervisor took during the run.");
	fprintf(file, "clockprobe_steal_ratio %.6f\n", probe->host.steal_pct / 100);
}

void report_openmetrics(FILE *file, const struct probe *probe)
{
	write_host(file, probe);
	write_functions(file, probe);
	write_info(file, probe);
	write_gauge(file, probe, "measured", "1 where the clock could be measured.", measured);
	write_gauge(file, probe, "offset_seconds", "PHC less system clock.", offset_s);
	write_gauge(file, probe, "offset_uncertainty_seconds",
		    "What the offset can be off by, either way.", uncertainty_s);
	write_gauge(file, probe, "frequency_ratio",
		    "How much faster than CLOCK_MONOTONIC_RAW the PHC runs.", frequency_ratio);
	write_gauge(file, probe, "frequency_uncertainty_ratio",
		    "What the frequency can be off by, either way.", frequency_uncertainty_ratio);
	write_gauge(file, probe, "samples", "Samples of this run.", samples);
	write_gauge(file, probe, "samples_tried", "Samples asked for in this run.", samples_tried);
	write_brackets(file, probe);
	write_failures(file, probe);
	write_registers(file, probe);
	write_conditions(file, probe);
	write_counters(file, probe);
	write_vmclock(file, probe);
	fputs("# EOF\n", file);
}
