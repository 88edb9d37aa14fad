// SPDX-License-Identifier: GPL-3.0-or-later
/* The JSON of docs/clockprobe.md, schema 1. */
#include "report.h"

#include <stdio.h>

#include "errname.h"
#include "json.h"
#include "version.h"

static void write_functions(struct json *j, const struct probe *probe)
{
	json_begin_array(j, "functions");
	for (unsigned i = 0; i < probe->n_functions; i++) {
		json_begin_object(j, NULL);
		json_string(j, "pci_address", probe->functions[i].pci_address);
		json_string_or_null(j, "driver", probe->functions[i].driver);
		json_end_object(j);
	}
	json_end_array(j);
}

static void write_capabilities(struct json *j, const struct collected *c)
{
	if (!c->has_caps) {
		json_null(j, "capabilities");
		return;
	}
	json_begin_object(j, "capabilities");
	json_i64(j, "max_adj_ppb", c->caps.max_adj_ppb);
	json_bool(j, "cross_timestamping", c->caps.cross_timestamping);
	json_bool(j, "adjust_phase", c->caps.adjust_phase);
	json_i64(j, "n_alarm", c->caps.n_alarm);
	json_i64(j, "n_ext_ts", c->caps.n_ext_ts);
	json_i64(j, "n_per_out", c->caps.n_per_out);
	json_i64(j, "n_pins", c->caps.n_pins);
	json_bool(j, "pps", c->caps.pps);
	json_end_object(j);
}

static void write_bracket(struct json *j, const struct estimate *e)
{
	if (!e->has_bracket) {
		json_null(j, "bracket_ns");
		return;
	}
	json_begin_object(j, "bracket_ns");
	json_i64(j, "min", e->bracket.min_ns);
	json_i64(j, "p50", e->bracket.p50_ns);
	json_i64(j, "p90", e->bracket.p90_ns);
	json_i64(j, "p99", e->bracket.p99_ns);
	json_i64(j, "max", e->bracket.max_ns);
	json_end_object(j);
}

static void write_no_offset(struct json *j)
{
	static const char *const keys[] = { "at_ns", "offset_ns", "uncertainty_ns",
					    "least_bracket", "narrow_mean_ns", "interval_ns" };

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_null(j, keys[i]);
}

static void write_offset(struct json *j, const struct estimate *e)
{
	json_i64(j, "at_ns", e->at_sys_ns);
	json_i64(j, "offset_ns", e->offset_ns);
	json_i64(j, "uncertainty_ns", e->uncertainty_ns);
	json_begin_object(j, "least_bracket");
	json_i64(j, "offset_ns", e->offset_ns);
	json_i64(j, "bracket_ns", e->least_bracket_ns);
	json_end_object(j);
	json_i64(j, "narrow_mean_ns", e->narrow_mean_ns);
	json_begin_array(j, "interval_ns");
	json_i64(j, NULL, e->interval.lo_ns);
	json_i64(j, NULL, e->interval.hi_ns);
	json_end_array(j);
}

static void write_samples(struct json *j, const struct collected *c)
{
	json_string(j, "method", phc_method_name(c->method));
	json_string(j, "clockid", sysclock_name(c->clock));
	json_u64(j, "tried", c->tried);
	json_u64(j, "samples", c->n_samples);
	json_begin_object(j, "failures");
	for (unsigned i = 0; i < c->n_errnos; i++)
		json_u64(j, errno_name(c->errnos[i].number), c->errnos[i].count);
	json_end_object(j);
}

static void write_measurement(struct json *j, const struct measurement *m)
{
	const struct collected *c = &m->collected;

	json_begin_object(j, "measurement");
	json_string(j, "status", measurement_status_name(m->status));
	json_string_or_null(j, "reason", m->reason);
	write_samples(j, c);
	if (m->status == MEASUREMENT_OK)
		write_offset(j, &m->estimate);
	else
		write_no_offset(j);
	write_bracket(j, &m->estimate);
	json_i64(j, "duration_ns", c->end_raw_ns - c->start_raw_ns);
	if (m->has_frequency) {
		json_double(j, "frequency_ppb", m->frequency_ppb, 3);
		json_double(j, "frequency_uncertainty_ppb", m->frequency_uncertainty_ppb, 3);
	} else {
		json_null(j, "frequency_ppb");
		json_null(j, "frequency_uncertainty_ppb");
	}
	json_end_object(j);
}

static void write_value(struct json *j, const char *key, const struct cipu_value *v)
{
	if (v->known)
		json_u64(j, key, v->value);
	else
		json_null(j, key);
}

static void write_features(struct json *j, const struct cipu_value *accepted)
{
	json_begin_array(j, "features");
	for (unsigned bit = 0; accepted->known && bit < 32; bit++) {
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
	if (!sync_stat->known) {
		json_null(j, "sync");
		return;
	}
	json_begin_object(j, "sync");
	json_bool(j, "maintenance", sync_stat->value & CIPU_SYNC_MAINTENANCE);
	json_bool(j, "clock_abnormal", sync_stat->value & CIPU_SYNC_CLOCK_ABNORMAL);
	json_bool(j, "busy", sync_stat->value & CIPU_SYNC_BUSY);
	json_bool(j, "device_error", sync_stat->value & CIPU_SYNC_DEVICE_ERROR);
	json_end_object(j);
}

static void write_cipu(struct json *j, const struct probed_clock *c)
{
	if (!c->has_cipu) {
		json_null(j, "cipu");
		return;
	}
	json_begin_object(j, "cipu");
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
	json_u64(j, "own_reads", c->measurement.collected.own_reads);
	json_end_object(j);
}

static void write_clock(struct json *j, const struct probed_clock *c)
{
	const struct clock_info *info = &c->info;
	char mode[8];

	json_begin_object(j, NULL);
	json_string(j, "node", info->node);
	json_u64(j, "index", info->index);
	json_string(j, "name", info->name);
	json_string(j, "kind", clock_kind_name(info->kind));
	json_string_or_null(j, "pci_address", info->pci_address);
	json_string_or_null(j, "driver", info->driver);
	json_begin_array(j, "links");
	for (unsigned i = 0; i < info->n_links; i++)
		json_string(j, NULL, info->links[i]);
	json_end_array(j);
	json_string_or_null(j, "owner", info->owner);
	json_string_or_null(j, "group", info->group);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)info->mode);
	json_string(j, "mode", info->has_node ? mode : NULL);
	write_capabilities(j, &c->measurement.collected);
	write_measurement(j, &c->measurement);
	write_cipu(j, c);
	json_end_object(j);
}

static void write_u64(struct json *j, const char *key, const struct vmclock_u64 *field)
{
	if (field->known)
		json_u64(j, key, field->value);
	else
		json_null(j, key);
}

static void write_double(struct json *j, const char *key, const struct vmclock_double *field)
{
	if (field->known)
		json_double(j, key, field->value, 3);
	else
		json_null(j, key);
}

/* A value without a name is told as its number. */
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

	json_u64(j, "size", v->size);
	json_u64(j, "version", v->version);
	json_string(j, "counter_id", vmclock_counter_name(v->counter_id));
	json_string(j, "time_type",
		    v->time_type.known ? vmclock_time_type_name(v->time_type.value) : NULL);
	json_u64(j, "disruption_marker", v->disruption_marker);
	if (probe->marker_changed_known)
		json_bool(j, "disruption_changed", probe->marker_changed);
	else
		json_null(j, "disruption_changed");
	json_bool(j, "disruption_soon", v->flags & VMCLOCK_FLAG_DISRUPTION_SOON);
	json_bool(j, "disruption_imminent", v->flags & VMCLOCK_FLAG_DISRUPTION_IMMINENT);
	json_bool(j, "time_monotonic", v->flags & VMCLOCK_FLAG_TIME_MONOTONIC);
	write_name(j, "clock_status", &v->status, vmclock_status_name);
	write_name(j, "smearing_hint", &v->smearing_hint, vmclock_smearing_name);
	if (v->has_tai_offset)
		json_i64(j, "tai_offset_s", v->tai_offset_s);
	else
		json_null(j, "tai_offset_s");
	write_name(j, "leap_indicator", &v->leap_indicator, vmclock_leap_name);
	write_vmclock_time(j, v);
	write_u64(j, "vm_generation", &v->vm_generation);
}

static void write_vmclock(struct json *j, const struct probe *probe)
{
	const struct vmclock *v = &probe->vmclock;

	if (!v->present) {
		json_null(j, "vmclock");
		return;
	}
	json_begin_object(j, "vmclock");
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
	json_u64(j, "schema", CLOCKPROBE_SCHEMA);
	json_string(j, "version", CLOCKPROBE_VERSION);
	json_string(j, "boot_id", host->boot_id);
	json_string(j, "clocksource", host->clocksource);
	json_i64(j, "taken_at_ns", host->taken_at_ns);
	if (host->has_steal)
		json_double(j, "steal_pct", host->steal_pct, 3);
	else
		json_null(j, "steal_pct");
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
	write_functions(&j, probe);
	json_begin_array(&j, "clocks");
	for (unsigned i = 0; i < probe->n_clocks; i++)
		write_clock(&j, &probe->clocks[i]);
	json_end_array(&j);
	write_vmclock(&j, probe);
	end_document(&j);
}

static void write_difference(struct json *j, const struct difference *d, bool is_known)
{
	if (!is_known) {
		json_null(j, "at_ns");
		json_null(j, "offset_ns");
		json_null(j, "uncertainty_ns");
		json_null(j, "interval_ns");
		return;
	}
	json_i64(j, "at_ns", d->at_sys_ns);
	json_i64(j, "offset_ns", d->offset_ns);
	json_i64(j, "uncertainty_ns", d->uncertainty_ns);
	json_begin_array(j, "interval_ns");
	json_i64(j, NULL, d->interval.lo_ns);
	json_i64(j, NULL, d->interval.hi_ns);
	json_end_array(j);
}

static void write_side(struct json *j, const char *key, const struct clock_info *info,
		       const struct collected *c)
{
	json_begin_object(j, key);
	json_string(j, "node", info->node);
	json_string(j, "name", info->name);
	json_string(j, "kind", clock_kind_name(info->kind));
	json_string_or_null(j, "pci_address", info->pci_address);
	write_samples(j, c);
	json_end_object(j);
}

void report_comparison_json(FILE *file, const struct comparison *c)
{
	struct json j = { .file = file };

	begin_document(&j, &c->host);
	json_begin_object(&j, "compare");
	json_string(&j, "status", measurement_status_name(c->status));
	json_string_or_null(&j, "reason", c->reason);
	write_difference(&j, &c->difference, c->status == MEASUREMENT_OK);
	json_i64(&j, "duration_ns", c->collected[0].end_raw_ns - c->collected[0].start_raw_ns);
	write_side(&j, "a", &c->info[0], &c->collected[0]);
	write_side(&j, "b", &c->info[1], &c->collected[1]);
	json_end_object(&j);
	end_document(&j);
}
