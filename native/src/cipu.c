// SPDX-License-Identifier: GPL-3.0-or-later
#include "cipu.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static const char *const register_names[CIPU_N_REGISTERS] = {
	[CIPU_DEV_FEAT] = "dev_feat",	  [CIPU_GST_FEAT] = "gst_feat",
	[CIPU_DRV_VER] = "drv_ver",	  [CIPU_ENV_VER] = "env_ver",
	[CIPU_DEV_STAT] = "dev_stat",	  [CIPU_SYNC_STAT] = "sync_stat",
	[CIPU_TM_PREC_NS] = "tm_prec_ns", [CIPU_EPO_BASE_YR] = "epo_base_yr",
	[CIPU_LEAP_SEC] = "leap_sec",	  [CIPU_MAX_LAT_NS] = "max_lat_ns",
	[CIPU_MT_TOUT_US] = "mt_tout_us", [CIPU_THRESH_US] = "thresh_us",
};

/* The attribute's prefix is left out of the name. */
static const struct {
	const char *prefix;
	const char *name;
} counter_names[CIPU_N_COUNTERS] = {
	[CIPU_GETTM] = { "ptp_", "gettm" },
	[CIPU_GETTM_INVAL_ERR] = { "ptp_", "gettm_inval_err" },
	[CIPU_GETTM_TOUT_ERR] = { "ptp_", "gettm_tout_err" },
	[CIPU_GETTM_EXCD_THRESH] = { "ptp_", "gettm_excd_thresh" },
	[CIPU_CLK_ABN] = { "dev_", "clk_abn" },
	[CIPU_CLK_ABN_REC] = { "dev_", "clk_abn_rec" },
	[CIPU_MAINT] = { "dev_", "maint" },
	[CIPU_MAINT_REC] = { "dev_", "maint_rec" },
	[CIPU_MAINT_TOUT] = { "dev_", "maint_tout" },
	[CIPU_BUSY] = { "dev_", "busy" },
	[CIPU_BUSY_REC] = { "dev_", "busy_rec" },
	[CIPU_ERR] = { "dev_", "err" },
	[CIPU_ERR_REC] = { "dev_", "err_rec" },
};

static struct cipu_value read_value(const char *root, const char *directory, const char *prefix,
				    const char *name)
{
	struct cipu_value v = { false, 0 };
	char path[TEXT_PATH_SIZE];
	int n = snprintf(path, sizeof(path), "%s/%s%s", directory, prefix, name);

	if (n > 0 && (size_t)n < sizeof(path))
		v.known = !text_read_u64(root, path, &v.value);
	return v;
}

/*
 * A PCI read of a device that is gone returns all ones, so all ones are never data. One register
 * may have that value for another reason; the status register does not.
 */
static void drop_dead_registers(struct cipu *cipu)
{
	unsigned known = 0, dead = 0;

	for (unsigned i = 0; i < CIPU_N_REGISTERS; i++) {
		struct cipu_value *v = &cipu->registers[i];

		if (!v->known)
			continue;
		known++;
		if (v->value < UINT32_MAX)
			continue;
		dead++;
		v->known = false;
		cipu->is_gone |= i == CIPU_DEV_STAT && v->value == UINT32_MAX;
		v->value = 0;
	}
	cipu->is_gone |= dead && dead == known;
}

bool cipu_read(const char *root, const char *directory, struct cipu *cipu)
{
	bool any = false;

	memset(cipu, 0, sizeof(*cipu));
	for (unsigned i = 0; i < CIPU_N_REGISTERS; i++) {
		cipu->registers[i] = read_value(root, directory, "reg_", register_names[i]);
		any |= cipu->registers[i].known;
	}
	drop_dead_registers(cipu);
	cipu->drv_cap = read_value(root, directory, "", "drv_cap");
	for (unsigned i = 0; i < CIPU_N_COUNTERS; i++) {
		cipu->counters[i] = read_value(root, directory, counter_names[i].prefix,
					       counter_names[i].name);
		any |= cipu->counters[i].known;
	}
	return any;
}

const char *cipu_register_name(enum cipu_register r)
{
	return register_names[r];
}

const char *cipu_counter_name(enum cipu_counter c)
{
	return counter_names[c].name;
}

const char *cipu_feature_name(unsigned bit)
{
	static const char *const names[] = { "tai", "epoch", "abnormal_irq", "recovery_irq" };

	return bit < sizeof(names) / sizeof(names[0]) ? names[bit] : NULL;
}

const struct cipu_condition cipu_conditions[CIPU_N_CONDITIONS] = {
	{ 1u << 0, "maintenance", "maintenance" },
	{ 1u << 1, "clock_abnormal", "atomic clock abnormal" },
	{ 1u << 4, "busy", "busy" },
	{ 1u << 7, "device_error", "device error" },
};

bool cipu_claimed_precision_ns(const struct cipu *cipu, int64_t *precision_ns)
{
	const struct cipu_value *v = &cipu->registers[CIPU_TM_PREC_NS];

	*precision_ns = v->known ? (int64_t)v->value : 0;
	return v->known;
}
