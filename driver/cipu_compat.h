/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What older kernels lack. Macros are tested for directly; what only the
 * headers' text can tell comes from Kbuild as HAVE_*.
 */
#ifndef CIPU_COMPAT_H
#define CIPU_COMPAT_H

#include <linux/pci.h>
#include <linux/pm.h>

#ifndef PCI_VENDOR_ID_ALIBABA
#define PCI_VENDOR_ID_ALIBABA	0x1ded
#endif

#ifndef PCI_POSSIBLE_ERROR
#define PCI_POSSIBLE_ERROR(val)	((val) == ((typeof(val))~0ULL))
#endif

#ifndef DEFINE_SIMPLE_DEV_PM_OPS
#define DEFINE_SIMPLE_DEV_PM_OPS SIMPLE_DEV_PM_OPS
#endif

#ifndef pm_sleep_ptr
#define pm_sleep_ptr(ptr)	(IS_ENABLED(CONFIG_PM_SLEEP) ? (ptr) : NULL)
#endif

/*
 * Where struct pci_driver has dev_groups the PCI core copies it over the one in
 * struct device_driver, so exactly one of the two may be set.
 */
#ifdef HAVE_PCI_DRIVER_DEV_GROUPS
#define CIPU_DEV_GROUPS		dev_groups
#else
#define CIPU_DEV_GROUPS		driver.dev_groups
#endif

#endif
