/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the attributes of a CIPU clock and names the bits of its registers. */
#ifndef CLOCKPROBE_CIPU_H
#define CLOCKPROBE_CIPU_H

#include <stdbool.h>
#include <stdint.h>

enum cipu_register {
	CIPU_DEV_FEAT,
	CIPU_GST_FEAT,
	CIPU_DRV_VER,
	CIPU_ENV_VER,
	CIPU_DEV_STAT,
	CIPU_SYNC_STAT,
	CIPU_TM_PREC_NS,
	CIPU_EPO_BASE_YR,
	CIPU_LEAP_SEC,
	CIPU_MAX_LAT_NS,
	CIPU_MT_TOUT_US,
	CIPU_THRESH_US,
	CIPU_N_REGISTERS,
};

enum cipu_counter {
	CIPU_GETTM,
	CIPU_GETTM_INVAL_ERR,
	CIPU_GETTM_TOUT_ERR,
	CIPU_GETTM_EXCD_THRESH,
	CIPU_CLK_ABN,
	CIPU_CLK_ABN_REC,
	CIPU_MAINT,
	CIPU_MAINT_REC,
	CIPU_MAINT_TOUT,
	CIPU_BUSY,
	CIPU_BUSY_REC,
	CIPU_ERR,
	CIPU_ERR_REC,
	CIPU_N_COUNTERS,
};

/* Not known where the attribute is missing, is not a number, or has the value of a dead device. */
struct cipu_value {
	bool known;
	uint64_t value;
};

struct cipu {
	struct cipu_value registers[CIPU_N_REGISTERS];
	struct cipu_value drv_cap;
	struct cipu_value counters[CIPU_N_COUNTERS];
	bool is_gone; /* the registers read as all ones: the device does not answer */
};

/* Reads the attributes in root + directory. False when none of them exists. */
bool cipu_read(const char *root, const char *directory, struct cipu *cipu);

/* Names as in the JSON: "dev_feat", "gettm_inval_err". */
const char *cipu_register_name(enum cipu_register r);
const char *cipu_counter_name(enum cipu_counter c);

/* NULL where the description of the device names no such bit. */
const char *cipu_feature_name(unsigned bit);

/* The bits of sync_stat. */
struct cipu_condition {
	unsigned bit;
	const char *name; /* in JSON and metrics */
	const char *text; /* in the table */
};

#define CIPU_N_CONDITIONS 4
extern const struct cipu_condition cipu_conditions[CIPU_N_CONDITIONS];

/* Precision that the device claims. False where it is not known. */
bool cipu_claimed_precision_ns(const struct cipu *cipu, int64_t *precision_ns);

#endif
