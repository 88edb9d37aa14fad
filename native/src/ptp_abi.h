/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the kernel's PTP clock ABI that is used here. Defined here because the headers of the
 * oldest build hosts lack the clock id of the extended ioctl, and musl has no kernel headers.
 * tests/test_abi.c compares it with <linux/ptp_clock.h>.
 */
#ifndef CLOCKPROBE_PTP_ABI_H
#define CLOCKPROBE_PTP_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

#define PTP_ABI_MAX_SAMPLES 25

struct ptp_abi_time {
	int64_t sec;
	uint32_t nsec;
	uint32_t reserved;
};

struct ptp_abi_caps {
	int32_t max_adj_ppb;
	int32_t n_alarm;
	int32_t n_ext_ts;
	int32_t n_per_out;
	int32_t pps;
	int32_t n_pins;
	int32_t cross_timestamping;
	int32_t adjust_phase;
	int32_t max_phase_adj; /* from Linux 6.5; zero before */
	int32_t reserved[11];
};

/* sys, phc, sys, phc, ... sys */
struct ptp_abi_basic {
	uint32_t n_samples;
	uint32_t reserved[3];
	struct ptp_abi_time ts[2 * PTP_ABI_MAX_SAMPLES + 1];
};

/* {sys, phc, sys} a sample; clockid was a reserved word, and had to be zero, before Linux 6.12 */
struct ptp_abi_extended {
	uint32_t n_samples;
	int32_t clockid;
	uint32_t reserved[2];
	struct ptp_abi_time ts[PTP_ABI_MAX_SAMPLES][3];
};

struct ptp_abi_precise {
	struct ptp_abi_time device;
	struct ptp_abi_time sys_realtime;
	struct ptp_abi_time sys_monoraw;
	uint32_t reserved[4];
};

#define PTP_ABI_GETCAPS _IOR('=', 1, struct ptp_abi_caps)
#define PTP_ABI_BASIC _IOW('=', 5, struct ptp_abi_basic)
#define PTP_ABI_PRECISE _IOWR('=', 8, struct ptp_abi_precise)
#define PTP_ABI_EXTENDED _IOWR('=', 9, struct ptp_abi_extended)

#endif
