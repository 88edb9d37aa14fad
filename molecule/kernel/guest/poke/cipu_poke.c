// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does to a PCI function what a lab machine cannot: PCI errors, and bare reads
 * of BAR 0 to hold the driver's against. Commands are written to the parameter
 * "poke", "WHAT PCI-ADDRESS"; the last answer is read from "answer".
 */
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "cipu.h" /* the driver's own */

#define BENCH_READS 2000
#define TSTAMP 0x28

static char answer[64];
module_param_string(answer, answer, sizeof(answer), 0444);

static int compare_u64(const void *a, const void *b)
{
	const u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* The least that a bracketed read can be. */
static void read_bare(void __iomem *bar)
{
	struct ptp_system_timestamp sts = { };
	unsigned long flags;

	local_irq_save(flags);
	ptp_read_system_prets(&sts);
	readq(bar + TSTAMP);
	ptp_read_system_postts(&sts);
	local_irq_restore(flags);
}

/*
 * The driver's read against a bare one, turn by turn, so that a busy host slows
 * both alike. The answer is the two medians.
 */
static int poke_bench(struct pci_dev *pdev)
{
	u64 *bare = kvmalloc_array(2 * BENCH_READS, sizeof(*bare), GFP_KERNEL);
	void __iomem *bar = ioremap(pci_resource_start(pdev, 0), CIPU_BAR_SIZE);
	struct cipu *cipu = pci_get_drvdata(pdev);
	struct ptp_system_timestamp sts = { };
	int i, err = 0, ret = -ENOMEM;
	u64 *ours = bare + BENCH_READS;
	struct timespec64 ts;
	u64 at[3];

	if (bare && bar && cipu) {
		for (i = 0; i < BENCH_READS; i++) {
			at[0] = ktime_get_raw_ns();
			read_bare(bar);
			at[1] = ktime_get_raw_ns();
			err |= cipu->info.gettimex64(&cipu->info, &ts, &sts);
			at[2] = ktime_get_raw_ns();
			bare[i] = at[1] - at[0];
			ours[i] = at[2] - at[1];
			cond_resched();
		}
		sort(bare, BENCH_READS, sizeof(*bare), compare_u64, NULL);
		sort(ours, BENCH_READS, sizeof(*ours), compare_u64, NULL);
		snprintf(answer, sizeof(answer), "%llu %llu", bare[BENCH_READS / 2],
			 ours[BENCH_READS / 2]);
		ret = err;
	}
	if (bar)
		iounmap(bar);
	kvfree(bare);
	return ret;
}

static int poke_error(struct pci_dev *pdev, const char *what)
{
	const struct pci_error_handlers *eh;
	int ret = 0;

	device_lock(&pdev->dev);
	eh = pdev->dev.driver ? to_pci_driver(pdev->dev.driver)->err_handler : NULL;
	if (!eh)
		ret = -ENODEV;
	else if (!strcmp(what, "frozen"))
		ret = eh->error_detected(pdev, pci_channel_io_frozen);
	else if (!strcmp(what, "nonfatal"))
		ret = eh->error_detected(pdev, pci_channel_io_normal);
	else if (!strcmp(what, "permanent"))
		ret = eh->error_detected(pdev, pci_channel_io_perm_failure);
	else if (!strcmp(what, "mmio_enabled"))
		ret = eh->mmio_enabled(pdev);
	else if (!strcmp(what, "slot_reset"))
		ret = eh->slot_reset(pdev);
	else if (!strcmp(what, "resume"))
		eh->resume(pdev);
	else if (!strcmp(what, "prepare"))
		eh->reset_prepare(pdev);
	else if (!strcmp(what, "done"))
		eh->reset_done(pdev);
	else
		ret = -EINVAL;
	device_unlock(&pdev->dev);
	snprintf(answer, sizeof(answer), "%d", ret);
	return ret < 0 ? ret : 0;
}

static int poke_set(const char *val, const struct kernel_param *kp)
{
	unsigned int domain, bus, dev, fn;
	struct pci_dev *pdev;
	char what[16];
	int ret;

	if (sscanf(val, "%15s %x:%x:%x.%x", what, &domain, &bus, &dev, &fn) != 5)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot((int)domain, bus, PCI_DEVFN(dev, fn));
	if (!pdev)
		return -ENODEV;
	ret = strcmp(what, "bench") ? poke_error(pdev, what) : poke_bench(pdev);
	pci_dev_put(pdev);
	return ret;
}

static const struct kernel_param_ops poke_ops = { .set = poke_set };
module_param_cb(poke, &poke_ops, NULL, 0200);

MODULE_DESCRIPTION("Test aid: PCI errors and bare register reads");
MODULE_LICENSE("GPL");
