/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Definitions that older kernels lack. Macros are tested for directly. Kbuild
 * searches the kernel's headers for the rest and defines HAVE_*.
 */
#ifndef CIPU_COMPAT_H
#define CIPU_COMPAT_H

#include <linux/pci.h>
#include <linux/pm.h>

#ifndef CONFIG_64BIT
#error "ptp_cipu needs a 64-bit kernel: the timestamp is one 64-bit read"
#endif

#ifndef CONFIG_PCI
#error "ptp_cipu needs a kernel with CONFIG_PCI"
#endif

#ifndef PCI_VENDOR_ID_ALIBABA
#define PCI_VENDOR_ID_ALIBABA	0x1ded
#endif

#ifndef PCI_POSSIBLE_ERROR
#define PCI_POSSIBLE_ERROR(val)	((val) == ((typeof(val))~0ULL))
#endif

#ifndef DEFINE_SIMPLE_DEV_PM_OPS
/* Unlike SIMPLE_DEV_PM_OPS, uses the functions also without CONFIG_PM_SLEEP. */
#define DEFINE_SIMPLE_DEV_PM_OPS(name, suspend_fn, resume_fn)	\
const struct dev_pm_ops name = {				\
	.suspend	= suspend_fn,				\
	.resume		= resume_fn,				\
	.freeze		= suspend_fn,				\
	.thaw		= resume_fn,				\
	.poweroff	= suspend_fn,				\
	.restore	= resume_fn,				\
}
#endif

#ifndef pm_sleep_ptr
#define pm_sleep_ptr(ptr)	(IS_ENABLED(CONFIG_PM_SLEEP) ? (ptr) : NULL)
#endif

/*
 * Where struct pci_driver has dev_groups, the PCI core overwrites the one in
 * struct device_driver with it, so exactly one of the two may be set.
 */
#ifdef HAVE_PCI_DRIVER_DEV_GROUPS
#define CIPU_DEV_GROUPS		dev_groups
#else
#define CIPU_DEV_GROUPS		driver.dev_groups
#endif

#endif
