/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The attributes of a CIPU clock: the one place on the host's side where register bits get names. */
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

/* An attribute that is missing, or is no number. */
struct cipu_value {
	bool known;
	uint64_t value;
};

struct cipu {
	struct cipu_value registers[CIPU_N_REGISTERS];
	struct cipu_value drv_cap;
	struct cipu_value counters[CIPU_N_COUNTERS];
};

/* Attributes under root + directory. False when not one of them could be read. */
bool cipu_read(const char *root, const char *directory, struct cipu *cipu);

/* Names as in the JSON: "dev_feat", "gettm_inval_err". */
const char *cipu_register_name(enum cipu_register r);
const char *cipu_counter_name(enum cipu_counter c);

/* Names of single bits; NULL where the device's description has none. */
const char *cipu_feature_name(unsigned bit);

enum cipu_sync_bit {
	CIPU_SYNC_MAINTENANCE = 1u << 0,
	CIPU_SYNC_CLOCK_ABNORMAL = 1u << 1,
	CIPU_SYNC_BUSY = 1u << 4,
	CIPU_SYNC_DEVICE_ERROR = 1u << 7,
};

/* The precision the device claims; 0 where it is not known. */
int64_t cipu_claimed_precision_ns(const struct cipu *cipu);

#endif
