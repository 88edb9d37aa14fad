// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test aid for what a lab machine cannot do to a PCI function: PCI errors, a
 * lock that another CPU holds, and bare reads of BAR 0 as a baseline for the
 * driver's. Write "COMMAND PCI-ADDRESS" to the parameter "poke" and read the
 * result from "answer".
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
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

/* The minimum that a bracketed read can cost. */
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
 * Compare the driver's read with a bare one, in turns, so that a busy host slows
 * both in the same way. The answer is the two medians.
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

struct poke_reader {
	struct work_struct work;
	struct cipu *cipu;
	bool started;
};

static void poke_read_work(struct work_struct *work)
{
	struct poke_reader *reader = container_of(work, struct poke_reader, work);
	struct timespec64 ts;

	WRITE_ONCE(reader->started, true);
	reader->cipu->info.gettimex64(&reader->cipu->info, &ts, NULL);
}

static void poke_interrupt(void *info)
{
	WRITE_ONCE(*(bool *)info, true);
}

static bool poke_poll(const bool *flag, unsigned int ms)
{
	u64 end_ns = ktime_get_raw_ns() + ms * NSEC_PER_MSEC;

	while (!READ_ONCE(*flag) && ktime_get_raw_ns() < end_ns)
		cpu_relax();
	return READ_ONCE(*flag);
}

/* Does a CPU whose reader waits for the lock still handle interrupts? */
static int poke_waiter(struct pci_dev *pdev)
{
	static call_single_data_t csd;
	static bool interrupted;
	struct cipu *cipu = pci_get_drvdata(pdev);
	struct poke_reader reader = { .cipu = cipu };
	bool in_time = false;
	unsigned int cpu;

	if (!cipu)
		return -ENODEV;
	INIT_WORK_ONSTACK(&reader.work, poke_read_work);
	interrupted = false;
	csd.func = poke_interrupt;
	csd.info = &interrupted;

	raw_spin_lock(&cipu->lock);
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (cpu < nr_cpu_ids) {
		schedule_work_on(cpu, &reader.work);
		if (poke_poll(&reader.started, 2000)) {
			mdelay(5);	/* it is at the lock now */
			smp_call_function_single_async(cpu, &csd);
			in_time = poke_poll(&interrupted, 200);
		}
	}
	raw_spin_unlock(&cipu->lock);

	if (cpu < nr_cpu_ids)
		flush_work(&reader.work);
	if (reader.started)
		poke_poll(&interrupted, 2000);
	destroy_work_on_stack(&reader.work);
	snprintf(answer, sizeof(answer), "%d", in_time);
	return reader.started ? 0 : -ETIMEDOUT;
}

static int poke_error(struct pci_dev *pdev, const char *what)
{
	const struct pci_error_handlers *eh;
	int ret = 0;

	device_lock(&pdev->dev);
	eh = pdev->dev.driver ? to_pci_driver(pdev->dev.driver)->err_handler : NULL;
	if (!eh)
		ret = -ENODEV;
	else if (!strcmp(what, "offline"))
		pdev->error_state = pci_channel_io_frozen;
	else if (!strcmp(what, "online"))
		pdev->error_state = pci_channel_io_normal;
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
	if (!strcmp(what, "bench"))
		ret = poke_bench(pdev);
	else if (!strcmp(what, "waiter"))
		ret = poke_waiter(pdev);
	else
		ret = poke_error(pdev, what);
	pci_dev_put(pdev);
	return ret;
}

static const struct kernel_param_ops poke_ops = { .set = poke_set };
module_param_cb(poke, &poke_ops, NULL, 0200);

MODULE_DESCRIPTION("Test aid: PCI errors and bare register reads");
MODULE_LICENSE("GPL");
