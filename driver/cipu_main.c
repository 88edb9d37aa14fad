// SPDX-License-Identifier: GPL-2.0-or-later
/* PTP clock of Alibaba Cloud's CIPU: probe and remove. */

#include <linux/device.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "cipu.h"

/*
 * Whether managed PCI functions release regions on their own depends on the
 * kernel. So each step registers its own cleanup.
 */
static void cipu_disable(void *data)
{
	pci_disable_device(data);
}

static void cipu_release_bar(void *data)
{
	pci_release_selected_regions(data, BIT(0));
}

static int cipu_map(struct cipu *cipu)
{
	struct pci_dev *pdev = cipu->pdev;
	struct device *dev = &pdev->dev;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return dev_err_probe(dev, ret, "cannot enable the function\n");
	ret = devm_add_action_or_reset(dev, cipu_disable, pdev);
	if (ret)
		return ret;

	if (!(pci_resource_flags(pdev, 0) & IORESOURCE_MEM) ||
	    pci_resource_len(pdev, 0) < CIPU_BAR_SIZE) {
		dev_err(dev, "BAR 0 is not memory of at least %u bytes: %pR\n", CIPU_BAR_SIZE,
			&pdev->resource[0]);
		return -EINVAL;
	}

	/* Exclusive: user space must not map resource0. */
	ret = pci_request_selected_regions_exclusive(pdev, BIT(0), KBUILD_MODNAME);
	if (ret)
		return dev_err_probe(dev, ret, "BAR 0 is in use by another driver\n");
	ret = devm_add_action_or_reset(dev, cipu_release_bar, pdev);
	if (ret)
		return ret;

	cipu->base = devm_ioremap(dev, pci_resource_start(pdev, 0), pci_resource_len(pdev, 0));
	return cipu->base ? 0 : -ENOMEM;
}

/* Up to FEATURE_OK, with interrupts where possible. */
static int cipu_prepare(struct cipu *cipu)
{
	struct device *dev = &cipu->pdev->dev;
	int ret;

	ret = cipu_hw_negotiate(cipu, CIPU_DRV_CAP);
	if (ret)
		return ret;

	if (!(cipu->cached.gst_feat & CIPU_FEAT_IRQ)) {
		dev_info(dev, "device offers no interrupts: polling its state every second\n");
		return 0;
	}

	ret = cipu_watch_request_irqs(cipu);
	if (!ret)
		return 0;

	dev_warn(dev, "cannot request interrupts (%d): polling the device's state every second\n",
		 ret);
	return cipu_hw_negotiate(cipu, CIPU_DRV_CAP & ~CIPU_FEAT_IRQ);
}

static int cipu_register(struct cipu *cipu)
{
	struct ptp_clock *clock;

	clock = ptp_clock_register(&cipu->info, &cipu->pdev->dev);
	if (IS_ERR(clock))
		return PTR_ERR(clock);
	if (!clock) /* kernel without PTP clocks */
		return -EOPNOTSUPP;
	cipu->clock = clock;
	return 0;
}

static int cipu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct cipu *cipu;
	int ret;

	cipu = devm_kzalloc(&pdev->dev, sizeof(*cipu), GFP_KERNEL);
	if (!cipu)
		return -ENOMEM;
	cipu->pdev = pdev;
	cipu->info = cipu_clock_info;
	raw_spin_lock_init(&cipu->lock);
	mutex_init(&cipu->mutex);
	cipu_watch_init(cipu);
	cipu->state = CIPU_ASLEEP;
	pci_set_drvdata(pdev, cipu);

	ret = cipu_map(cipu);
	if (ret)
		return ret;
	/* An MSI-X message is a memory write. */
	pci_set_master(pdev);

	/*
	 * Until the state is CIPU_LIVE readers get -EAGAIN and interrupt handlers
	 * do nothing, so none of this needs the mutex. Holding it while a vector
	 * is freed would deadlock with a handler that waits for it.
	 */
	ret = cipu_prepare(cipu);
	if (ret)
		goto stop;
	ret = cipu_register(cipu);
	if (ret)
		goto stop;

	mutex_lock(&cipu->mutex);
	ret = cipu_watch_go_live(cipu);
	if (!ret)
		cipu_watch_start(cipu);
	mutex_unlock(&cipu->mutex);
	if (!ret)
		return 0;

	ptp_clock_unregister(cipu->clock);
stop:
	cipu_take_down(cipu, CIPU_ASLEEP);
	cipu_watch_free_irqs(cipu);
	return ret;
}

static void cipu_remove(struct pci_dev *pdev)
{
	struct cipu *cipu = pci_get_drvdata(pdev);
	bool gone = !cipu_hw_present(cipu);

	/* Fail in-flight readers and block renegotiation. */
	mutex_lock(&cipu->mutex);
	cipu_clock_set_state(cipu, CIPU_ASLEEP);
	mutex_unlock(&cipu->mutex);

	ptp_clock_unregister(cipu->clock);
	cipu_take_down(cipu, gone ? CIPU_GONE : CIPU_ASLEEP);
	cipu_watch_free_irqs(cipu);
}

static void cipu_shutdown(struct pci_dev *pdev)
{
	cipu_take_down(pci_get_drvdata(pdev), CIPU_ASLEEP);
	/* The next kernel must not receive its interrupts. */
	pci_clear_master(pdev);
}

static const struct pci_device_id cipu_ids[] = {
	{ PCI_DEVICE_SUB(PCI_VENDOR_ID_ALIBABA, CIPU_DEVICE_ID,
			 PCI_VENDOR_ID_ALIBABA, CIPU_SUBDEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, cipu_ids);

static struct pci_driver cipu_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= cipu_ids,
	.probe		= cipu_probe,
	.remove		= cipu_remove,
	.shutdown	= cipu_shutdown,
	.driver.pm	= pm_sleep_ptr(&cipu_pm_ops),
	.err_handler	= &cipu_err_handlers,
	.CIPU_DEV_GROUPS = cipu_groups,
};
module_pci_driver(cipu_driver);

MODULE_DESCRIPTION("PTP clock of Alibaba Cloud CIPU");
MODULE_AUTHOR("The cipu.clock authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.2.0");
