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

#define BENCH_ROUNDS 500
#define TSTAMP 0x28

static char answer[128];
module_param_string(answer, answer, sizeof(answer), 0444);

static int compare_u64(const void *a, const void *b)
{
	const u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/*
 * What is compared: a bare read, which is the minimum that a bracketed read can
 * cost; the same again, to see what the measurement itself is worth; a bare read
 * with the times that the driver takes beside the caller's bracket, for its
 * limit of latency and for the counter of the threshold; and the driver's read.
 */
enum bench_kind { BENCH_BARE, BENCH_AGAIN, BENCH_TIMED, BENCH_DRIVER, BENCH_KINDS };

static u64 bench_values[BENCH_KINDS][BENCH_ROUNDS];

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

static void read_timed(void __iomem *bar)
{
	struct ptp_system_timestamp sts = { };
	volatile u64 times[3];
	unsigned long flags;

	local_irq_save(flags);
	times[0] = ktime_get_raw_ns();
	ptp_read_system_prets(&sts);
	readq(bar + TSTAMP);
	ptp_read_system_postts(&sts);
	times[1] = ktime_get_raw_ns();
	times[2] = ktime_get_real_ns();
	local_irq_restore(flags);
}

static int bench_one(enum bench_kind kind, struct cipu *cipu, void __iomem *bar)
{
	struct ptp_system_timestamp sts = { };
	struct timespec64 ts;

	switch (kind) {
	case BENCH_DRIVER:
		return cipu->info.gettimex64(&cipu->info, &ts, &sts);
	case BENCH_TIMED:
		read_timed(bar);
		return 0;
	default:
		read_bare(bar);
		return 0;
	}
}

/*
 * All kinds in turns, and each round begins with another one, so that a busy
 * host slows all of them in the same way. The answer is their medians.
 */
static int poke_bench(struct pci_dev *pdev)
{
	void __iomem *bar = ioremap(pci_resource_start(pdev, 0), CIPU_BAR_SIZE);
	struct cipu *cipu = pci_get_drvdata(pdev);
	unsigned int round, turn, kind;
	int err = 0;

	if (!bar || !cipu) {
		err = -ENODEV;
		goto out;
	}
	for (round = 0; round < BENCH_ROUNDS; round++) {
		for (turn = 0; turn < BENCH_KINDS; turn++) {
			u64 start_ns = ktime_get_raw_ns();

			kind = (round + turn) % BENCH_KINDS;
			err |= bench_one(kind, cipu, bar);
			bench_values[kind][round] = ktime_get_raw_ns() - start_ns;
		}
		cond_resched();
	}
	for (kind = 0; kind < BENCH_KINDS; kind++)
		sort(bench_values[kind], BENCH_ROUNDS, sizeof(u64), compare_u64, NULL);
	snprintf(answer, sizeof(answer), "%llu %llu %llu %llu",
		 bench_values[BENCH_BARE][BENCH_ROUNDS / 2],
		 bench_values[BENCH_AGAIN][BENCH_ROUNDS / 2],
		 bench_values[BENCH_TIMED][BENCH_ROUNDS / 2],
		 bench_values[BENCH_DRIVER][BENCH_ROUNDS / 2]);
out:
	if (bar)
		iounmap(bar);
	return err;
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
