// SPDX-License-Identifier: GPL-2.0-or-later
/* The group cipu/ of the PCI device: registers as last read, and counters. */

#include <linux/sysfs.h>

#include "cipu.h"

/**
 * struct cipu_attr - attribute that shows a number in struct cipu
 * @attr: the attribute
 * @offset: offset of the number in struct cipu
 */
struct cipu_attr {
	struct device_attribute attr;
	size_t offset;
};

static const void *cipu_attr_field(struct device *dev, struct device_attribute *attr)
{
	const void *cipu = dev_get_drvdata(dev);

	return cipu + container_of(attr, struct cipu_attr, attr)->offset;
}

static ssize_t cipu_show_u32(struct device *dev, struct device_attribute *attr, char *buf)
{
	const u32 *field = cipu_attr_field(dev, attr);

	return sysfs_emit(buf, "0x%x\n", READ_ONCE(*field));
}

static ssize_t cipu_show_u64(struct device *dev, struct device_attribute *attr, char *buf)
{
	const u64 *field = cipu_attr_field(dev, attr);

	return sysfs_emit(buf, "0x%llx\n", READ_ONCE(*field));
}

#define CIPU_ATTR(_name, _show, _field)				\
	static struct cipu_attr cipu_attr_##_name = {		\
		.attr = __ATTR(_name, 0444, _show, NULL),	\
		.offset = offsetof(struct cipu, _field),	\
	}

#define CIPU_REG(_reg)		CIPU_ATTR(reg_##_reg, cipu_show_u32, cached._reg)
#define CIPU_COUNT(_name, _field)	CIPU_ATTR(_name, cipu_show_u64, count._field)

CIPU_REG(dev_feat);
CIPU_REG(gst_feat);
CIPU_REG(drv_ver);
CIPU_REG(env_ver);
CIPU_REG(dev_stat);
CIPU_REG(sync_stat);
CIPU_REG(tm_prec_ns);
CIPU_REG(epo_base_yr);
CIPU_REG(leap_sec);
CIPU_REG(max_lat_ns);
CIPU_REG(mt_tout_us);
CIPU_REG(thresh_us);

CIPU_COUNT(ptp_gettm, gettm);
CIPU_COUNT(ptp_gettm_inval_err, gettm_inval);
CIPU_COUNT(ptp_gettm_tout_err, gettm_tout);
CIPU_COUNT(ptp_gettm_excd_thresh, gettm_thresh);
CIPU_COUNT(dev_clk_abn, clk_abn);
CIPU_COUNT(dev_clk_abn_rec, clk_abn_rec);
CIPU_COUNT(dev_maint, maint);
CIPU_COUNT(dev_maint_rec, maint_rec);
CIPU_COUNT(dev_maint_tout, maint_tout);
CIPU_COUNT(dev_busy, busy);
CIPU_COUNT(dev_busy_rec, busy_rec);
CIPU_COUNT(dev_err, err);
CIPU_COUNT(dev_err_rec, err_rec);

/* Added to those of the driver posted to netdev, so that the counters add up. */
CIPU_COUNT(ptp_gettm_blocked, gettm_blocked);
CIPU_COUNT(ptp_gettm_offline, gettm_offline);
CIPU_COUNT(ptp_gettm_retry, gettm_retry);
CIPU_COUNT(dev_renegotiated, renegotiated);

static ssize_t drv_cap_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%lx\n", CIPU_DRV_CAP);
}
static DEVICE_ATTR_RO(drv_cap);

static struct attribute *cipu_attrs[] = {
	&cipu_attr_reg_dev_feat.attr.attr,
	&cipu_attr_reg_gst_feat.attr.attr,
	&cipu_attr_reg_drv_ver.attr.attr,
	&cipu_attr_reg_env_ver.attr.attr,
	&cipu_attr_reg_dev_stat.attr.attr,
	&cipu_attr_reg_sync_stat.attr.attr,
	&cipu_attr_reg_tm_prec_ns.attr.attr,
	&cipu_attr_reg_epo_base_yr.attr.attr,
	&cipu_attr_reg_leap_sec.attr.attr,
	&cipu_attr_reg_max_lat_ns.attr.attr,
	&cipu_attr_reg_mt_tout_us.attr.attr,
	&cipu_attr_reg_thresh_us.attr.attr,
	&dev_attr_drv_cap.attr,
	&cipu_attr_ptp_gettm.attr.attr,
	&cipu_attr_ptp_gettm_inval_err.attr.attr,
	&cipu_attr_ptp_gettm_tout_err.attr.attr,
	&cipu_attr_ptp_gettm_excd_thresh.attr.attr,
	&cipu_attr_ptp_gettm_blocked.attr.attr,
	&cipu_attr_ptp_gettm_offline.attr.attr,
	&cipu_attr_ptp_gettm_retry.attr.attr,
	&cipu_attr_dev_clk_abn.attr.attr,
	&cipu_attr_dev_clk_abn_rec.attr.attr,
	&cipu_attr_dev_maint.attr.attr,
	&cipu_attr_dev_maint_rec.attr.attr,
	&cipu_attr_dev_maint_tout.attr.attr,
	&cipu_attr_dev_busy.attr.attr,
	&cipu_attr_dev_busy_rec.attr.attr,
	&cipu_attr_dev_err.attr.attr,
	&cipu_attr_dev_err_rec.attr.attr,
	&cipu_attr_dev_renegotiated.attr.attr,
	NULL
};

static const struct attribute_group cipu_group = {
	.name	= "cipu",
	.attrs	= cipu_attrs,
};

const struct attribute_group *cipu_groups[] = {
	&cipu_group,
	NULL
};
