/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the CIPU clock function: BAR 0, little endian, naturally aligned. */
#ifndef CIPU_REGS_H
#define CIPU_REGS_H

#include <linux/bits.h>

#define CIPU_DEVICE_ID		0x500c
#define CIPU_SUBDEVICE_ID	0x1123

#define CIPU_DEV_FEAT		0x00	/* u32, features offered */
#define CIPU_GST_FEAT		0x04	/* u32, features accepted */
#define CIPU_DRV_VER		0x08	/* u32 */
#define CIPU_ENV_VER		0x0c	/* u32 */
#define CIPU_DEV_STAT		0x10	/* u8 */
#define CIPU_SYNC_STAT		0x11	/* u8: any wider access would be unaligned */
#define CIPU_TM_PREC_NS		0x14	/* u32 */
#define CIPU_EPO_BASE_YR	0x18	/* u32 */
#define CIPU_LEAP_SEC		0x1c	/* u32 */
#define CIPU_MAX_LAT_NS		0x20	/* u32 */
#define CIPU_MT_TOUT_US		0x24	/* u32 */
#define CIPU_TSTAMP_NS		0x28	/* u64 */
#define CIPU_THRESH_US		0x30	/* u32 */
#define CIPU_BAR_SIZE		0x34	/* minimum size in bytes */

#define CIPU_FEAT_TAI		BIT(0)
#define CIPU_FEAT_EPOCH		BIT(1)
#define CIPU_FEAT_IRQ_ABN	BIT(2)
#define CIPU_FEAT_IRQ_REC	BIT(3)
#define CIPU_FEAT_IRQ		(CIPU_FEAT_IRQ_ABN | CIPU_FEAT_IRQ_REC)

/* Without the TAI feature the clock shows UTC, as its readers expect. */
#define CIPU_DRV_CAP		(CIPU_FEAT_EPOCH | CIPU_FEAT_IRQ)

#define CIPU_STAT_RESET		0
#define CIPU_STAT_FEATURE_OK	1
#define CIPU_STAT_DRIVER_OK	2

#define CIPU_SYNC_MAINT		BIT(0)
#define CIPU_SYNC_CLK_ABN	BIT(1)
#define CIPU_SYNC_BUSY		BIT(4)
#define CIPU_SYNC_ERR		BIT(7)
#define CIPU_SYNC_ANY		(CIPU_SYNC_MAINT | CIPU_SYNC_CLK_ABN | \
				 CIPU_SYNC_BUSY | CIPU_SYNC_ERR)

#define CIPU_TSTAMP_INVALID	BIT_ULL(63)
#define CIPU_TSTAMP_MASK	GENMASK_ULL(61, 0)

/* env_ver bits 31:27 of a kernel.org kernel; bits 23:0 are its release. */
#define CIPU_ENV_LINUX		(0x1fU << 27)

#define CIPU_VEC_THRESH		0
#define CIPU_VEC_SYNC		1
#define CIPU_NUM_VECS		2

#endif
