// SPDX-License-Identifier: GPL-3.0-or-later
/* The JSON of docs/clockprobe.md, schema 1. */
#include "report.h"

#include <stdio.h>

#include "errname.h"
#include "json.h"
#include "margin.h"
#include "version.h"

static void write_functions(struct json *j, const struct probe *probe)
{
	json_begin_array(j, "functions");
	for (unsigned i = 0; i < probe->n_functions; i++) {
		json_begin_object(j, NULL);
		json_string(j, "pci_address", probe->functions[i].pci_address);
		json_string(j, "driver", probe->functions[i].driver);
		json_end_object(j);
	}
	json_end_array(j);
}

static void write_capabilities(struct json *j, const struct collected *c)
{
	const struct ptp_abi_caps *caps = &c->caps;

	if (!json_begin_object_if(j, "capabilities", c->has_caps))
		return;
	json_i64(j, "max_adj_ppb", true, caps->max_adj_ppb);
	json_bool(j, "cross_timestamping", true, caps->cross_timestamping);
	json_bool(j, "adjust_phase", true, caps->adjust_phase);
	/* a kernel before 6.5 leaves it zero */
	json_i64(j, "max_phase_adj_ns", caps->max_phase_adj, caps->max_phase_adj);
	json_i64(j, "n_alarm", true, caps->n_alarm);
	json_i64(j, "n_ext_ts", true, caps->n_ext_ts);
	json_i64(j, "n_per_out", true, caps->n_per_out);
	json_i64(j, "n_pins", true, caps->n_pins);
	json_bool(j, "pps", true, caps->pps);
	json_end_object(j);
}

static void write_bracket(struct json *j, const struct estimate *e)
{
	if (!json_begin_object_if(j, "bracket_ns", e->has_bracket))
		return;
	json_i64(j, "min", true, e->bracket.min_ns);
	json_i64(j, "p50", true, e->bracket.p50_ns);
	json_i64(j, "p90", true, e->bracket.p90_ns);
	json_i64(j, "p99", true, e->bracket.p99_ns);
	json_i64(j, "max", true, e->bracket.max_ns);
	json_end_object(j);
}

static void write_interval(struct json *j, bool known, const struct interval *interval)
{
	if (!known) {
		json_string(j, "interval_ns", NULL);
		return;
	}
	json_begin_array(j, "interval_ns");
	json_i64(j, NULL, true, interval->lo_ns);
	json_i64(j, NULL, true, interval->hi_ns);
	json_end_array(j);
}

static void write_offset(struct json *j, bool known, const struct estimate *e)
{
	json_i64(j, "at_ns", known, e->at_sys_ns);
	json_i64(j, "offset_ns", known, e->offset_ns);
	json_i64(j, "uncertainty_ns", known, e->uncertainty_ns);
	if (json_begin_object_if(j, "least_bracket", known)) {
		json_i64(j, "offset_ns", true, e->offset_ns);
		json_i64(j, "bracket_ns", true, e->least_bracket_ns);
		json_end_object(j);
	}
	json_i64(j, "narrow_mean_ns", known, e->narrow_mean_ns);
	write_interval(j, known, &e->interval);
}

static bool has_run(const struct collected *c)
{
	return c->runs;
}

static void write_samples(struct json *j, const struct collected *c)
{
	json_string(j, "method", phc_method_name(c->method));
	json_string(j, "clockid", sysclock_name(c->clock));
	json_u64(j, "tried", true, c->tried);
	json_u64(j, "samples", true, c->n_samples);
	json_begin_object(j, "failures");
	for (unsigned i = 0; i < c->n_errnos; i++) {
		char name[ERRNO_NAME_SIZE];

		json_u64(j, errno_name(c->errnos[i].number, name), true, c->errnos[i].count);
	}
	json_end_object(j);
}

static void write_measurement(struct json *j, const struct measurement *m)
{
	const struct collected *c = &m->collected;
	bool is_ok = m->status == MEASUREMENT_OK;
	int64_t phc_tick_ns = margin_phc_tick_ns(c);

	json_begin_object(j, "measurement");
	json_string(j, "status", measurement_status_name(m->status));
	json_string(j, "reason", m->reason);
	json_string(j, "hint", m->hint);
	write_samples(j, c);
	write_offset(j, is_ok, &m->estimate);
	write_bracket(j, &m->estimate);
	json_i64(j, "claimed_precision_ns", m->has_claimed_precision, m->claimed_precision_ns);
	json_i64(j, "phc_tick_ns", phc_tick_ns, phc_tick_ns);
	json_i64(j, "system_tick_ns", c->system_tick_ns, c->system_tick_ns);
	json_i64(j, "duration_ns", has_run(c), c->end_raw_ns - c->start_raw_ns);
	json_double(j, "frequency_ppb", m->has_frequency, m->frequency_ppb);
	json_double(j, "frequency_uncertainty_ppb", m->has_frequency, m->frequency_uncertainty_ppb);
	json_i64(j, "frequency_baseline_ns", m->has_frequency, m->frequency_baseline_ns);
	json_end_object(j);
}

static void write_features(struct json *j, const struct cipu_value *accepted)
{
	if (!accepted->known) {
		json_string(j, "features", NULL);
		return;
	}
	json_begin_array(j, "features");
	for (unsigned bit = 0; bit < 32; bit++) {
		char unnamed[16];
		const char *name = cipu_feature_name(bit);

		if (!(accepted->value >> bit & 1))
			continue;
		snprintf(unnamed, sizeof(unnamed), "bit%u", bit);
		json_string(j, NULL, name ? name : unnamed);
	}
	json_end_array(j);
}

static void write_sync(struct json *j, const struct cipu_value *sync_stat)
{
	if (!json_begin_object_if(j, "sync", sync_stat->known))
		return;
	for (unsigned i = 0; i < CIPU_N_CONDITIONS; i++)
		json_bool(j, cipu_conditions[i].name, true,
			  sync_stat->value & cipu_conditions[i].bit);
	json_end_object(j);
}

static void write_value(struct json *j, const char *key, const struct cipu_value *v)
{
	json_u64(j, key, v->known, v->value);
}

static void write_cipu(struct json *j, const struct probed_clock *c)
{
	if (!json_begin_object_if(j, "cipu", c->has_cipu))
		return;
	json_begin_object(j, "registers");
	for (unsigned i = 0; i < CIPU_N_REGISTERS; i++)
		write_value(j, cipu_register_name(i), &c->cipu.registers[i]);
	json_end_object(j);
	write_value(j, "drv_cap", &c->cipu.drv_cap);
	write_features(j, &c->cipu.registers[CIPU_GST_FEAT]);
	write_sync(j, &c->cipu.registers[CIPU_SYNC_STAT]);
	json_begin_object(j, "counters");
	for (unsigned i = 0; i < CIPU_N_COUNTERS; i++)
		write_value(j, cipu_counter_name(i), &c->cipu.counters[i]);
	json_end_object(j);
	json_u64(j, "own_reads", true, c->measurement.collected.own_reads);
	json_end_object(j);
}

static void write_clock(struct json *j, const struct probed_clock *c)
{
	const struct clock_info *info = &c->info;
	char mode[8];

	json_begin_object(j, NULL);
	json_string(j, "node", info->node);
	json_u64(j, "index", true, info->index);
	json_string(j, "name", info->name);
	json_string(j, "kind", clock_kind_name(info->kind));
	json_string(j, "pci_address", info->pci_address);
	json_string(j, "driver", info->driver);
	json_begin_array(j, "links");
	for (unsigned i = 0; i < info->n_links; i++)
		json_string(j, NULL, info->links[i]);
	json_end_array(j);
	json_begin_array(j, "interfaces");
	for (unsigned i = 0; i < info->n_interfaces; i++)
		json_string(j, NULL, info->interfaces[i]);
	json_end_array(j);
	json_u64(j, "uid", info->has_node, info->uid);
	json_u64(j, "gid", info->has_node, info->gid);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)info->mode);
	json_string(j, "mode", info->has_node ? mode : NULL);
	write_capabilities(j, &c->measurement.collected);
	json_double(j, "frequency_adjustment_ppb", c->measurement.collected.has_adjustment,
		    c->measurement.collected.adjustment_ppb);
	json_u64(j, "phc_error_bound_ns", info->has_error_bound, info->error_bound_ns);
	write_measurement(j, &c->measurement);
	write_cipu(j, c);
	json_end_object(j);
}

static void write_u64(struct json *j, const char *key, const struct vmclock_u64 *field)
{
	json_u64(j, key, field->known, field->value);
}

static void write_double(struct json *j, const char *key, const struct vmclock_double *field)
{
	json_double(j, key, field->known, field->value);
}

/* Writes the number of a value that has no name. */
static void write_name(struct json *j, const char *key, const struct vmclock_u64 *field,
		       const char *(*name_of)(uint64_t value))
{
	char number[24];
	const char *name = field->known ? name_of(field->value) : NULL;

	snprintf(number, sizeof(number), "%u", (unsigned)field->value);
	json_string(j, key, name ? name : field->known ? number : NULL);
}

static void write_vmclock_time(struct json *j, const struct vmclock *v)
{
	write_u64(j, "counter_value", &v->counter_value);
	write_double(j, "counter_hz", &v->counter_hz);
	write_double(j, "period_est_error_ppb", &v->period_est_error_ppb);
	write_double(j, "period_max_error_ppb", &v->period_max_error_ppb);
	write_u64(j, "time_s", &v->time_s);
	write_u64(j, "time_fraction_ns", &v->time_fraction_ns);
	write_u64(j, "time_est_error_ns", &v->time_est_error_ns);
	write_u64(j, "time_max_error_ns", &v->time_max_error_ns);
}

static void write_vmclock_page(struct json *j, const struct probe *probe)
{
	const struct vmclock *v = &probe->vmclock;

	json_u64(j, "size", true, v->size);
	json_u64(j, "version", true, v->version);
	json_string(j, "counter_id", vmclock_counter_name(v->counter_id));
	json_string(j, "time_type",
		    v->time_type.known ? vmclock_time_type_name(v->time_type.value) : NULL);
	json_u64(j, "disruption_marker", true, v->disruption_marker);
	json_bool(j, "disruption_changed", probe->marker_changed_known, probe->marker_changed);
	json_bool(j, "disruption_soon", true, v->flags & VMCLOCK_FLAG_DISRUPTION_SOON);
	json_bool(j, "disruption_imminent", true, v->flags & VMCLOCK_FLAG_DISRUPTION_IMMINENT);
	json_bool(j, "time_monotonic", true, v->flags & VMCLOCK_FLAG_TIME_MONOTONIC);
	json_bool(j, "notification_present", true, v->flags & VMCLOCK_FLAG_NOTIFICATION);
	write_name(j, "clock_status", &v->status, vmclock_status_name);
	write_name(j, "smearing_hint", &v->smearing_hint, vmclock_smearing_name);
	json_i64(j, "tai_offset_s", v->has_tai_offset, v->tai_offset_s);
	write_name(j, "leap_indicator", &v->leap_indicator, vmclock_leap_name);
	write_vmclock_time(j, v);
	write_u64(j, "vm_generation", &v->vm_generation);
}

static void write_vmclock(struct json *j, const struct probe *probe)
{
	const struct vmclock *v = &probe->vmclock;

	if (!json_begin_object_if(j, "vmclock", v->present))
		return;
	json_string(j, "node", VMCLOCK_NODE);
	json_string(j, "status", v->problem ? "failed" : "ok");
	json_string(j, "reason", v->problem);
	if (!v->problem)
		write_vmclock_page(j, probe);
	json_end_object(j);
}

static void begin_document(struct json *j, const struct probe_host *host)
{
	json_begin_object(j, NULL);
	json_u64(j, "schema", true, CLOCKPROBE_SCHEMA);
	json_string(j, "version", CLOCKPROBE_VERSION);
	json_string(j, "boot_id", host->boot_id);
	json_string(j, "clocksource", host->clocksource);
	json_i64(j, "taken_at_ns", true, host->taken_at_ns);
	json_double(j, "steal_pct", host->has_steal, host->steal_pct);
}

static void end_document(struct json *j)
{
	json_end_object(j);
	fputc('\n', j->file);
}

void report_json(FILE *file, const struct probe *probe)
{
	struct json j = { .file = file };

	begin_document(&j, &probe->host);
	json_begin_array(&j, "problems");
	for (unsigned i = 0; i < probe->problems.n; i++)
		json_string(&j, NULL, probe->problems.text[i]);
	json_end_array(&j);
	write_functions(&j, probe);
	json_begin_array(&j, "clocks");
	for (unsigned i = 0; i < probe->n_clocks; i++)
		write_clock(&j, &probe->clocks[i]);
	json_end_array(&j);
	write_vmclock(&j, probe);
	end_document(&j);
}

static void write_difference(struct json *j, const struct difference *d, bool known)
{
	json_i64(j, "at_ns", known, d->at_sys_ns);
	json_i64(j, "offset_ns", known, d->offset_ns);
	json_i64(j, "uncertainty_ns", known, d->uncertainty_ns);
	write_interval(j, known, &d->interval);
}

static void write_side(struct json *j, const char *key, const struct clock_info *info,
		       const struct collected *c)
{
	json_begin_object(j, key);
	json_string(j, "node", info->node);
	json_string(j, "name", info->name);
	json_string(j, "kind", clock_kind_name(info->kind));
	json_string(j, "pci_address", info->pci_address);
	write_samples(j, c);
	json_end_object(j);
}

void report_comparison_json(FILE *file, const struct comparison *c)
{
	struct json j = { .file = file };

	begin_document(&j, &c->host);
	json_begin_object(&j, "compare");
	json_string(&j, "status", measurement_status_name(c->status));
	json_string(&j, "reason", c->reason);
	write_difference(&j, &c->difference, c->status == MEASUREMENT_OK);
	json_i64(&j, "duration_ns", has_run(&c->collected[0]),
		 c->collected[0].end_raw_ns - c->collected[0].start_raw_ns);
	write_side(&j, "a", &c->info[0], &c->collected[0]);
	write_side(&j, "b", &c->info[1], &c->collected[1]);
	json_end_object(&j);
	end_document(&j);
}
