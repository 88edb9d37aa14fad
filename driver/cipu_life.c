// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sleep, reset and error recovery. The PTP clock stays registered through all
 * of them, so its index and whoever has it open survive; only reads fail.
 */

#include "cipu.h"

/**
 * cipu_bring_up() - negotiate again and open the clock to its readers
 * @cipu: the function; cipu->mutex is held
 *
 * Return: 0, or why the clock stays closed.
 */
int cipu_bring_up(struct cipu *cipu)
{
	u32 features = CIPU_DRV_CAP;
	int ret;

	if (!cipu->irqs)
		features &= ~CIPU_FEAT_IRQ;

	ret = cipu_hw_negotiate(cipu, features);
	if (ret)
		return ret;
	ret = cipu_hw_start(cipu);
	if (ret)
		return ret;

	cipu_inc(&cipu->count.renegotiated);
	cipu_event_sync(cipu);
	cipu_clock_set_status(cipu, 0);

	/* The PCI core gives a saved state back once, and a reset or a sleep has used it. */
	pci_save_state(cipu->pdev);
	return 0;
}

/**
 * cipu_take_down() - close the clock to its readers and silence the function
 * @cipu: the function
 * @status: the errno for readers until it is brought up again
 *
 * On return nothing of the driver touches the registers any more.
 */
void cipu_take_down(struct cipu *cipu, int status)
{
	mutex_lock(&cipu->mutex);
	cipu->down = true;
	cipu_clock_set_status(cipu, status);
	mutex_unlock(&cipu->mutex);

	cipu_event_stop(cipu);

	if (status != -ENODEV && !pci_channel_offline(cipu->pdev))
		cipu_hw_stop(cipu);
}

/* The counterpart of cipu_take_down(). What fails now is tried again later. */
static void cipu_put_up(struct cipu *cipu)
{
	mutex_lock(&cipu->mutex);
	cipu->down = false;
	if (cipu_bring_up(cipu))
		dev_err(&cipu->pdev->dev, "no time until the function can be negotiated with\n");
	cipu_event_watch(cipu);
	mutex_unlock(&cipu->mutex);
}

static int cipu_suspend(struct device *dev)
{
	cipu_take_down(dev_get_drvdata(dev), -EAGAIN);
	return 0;
}

static int cipu_resume(struct device *dev)
{
	struct cipu *cipu = dev_get_drvdata(dev);

	pci_set_master(cipu->pdev);
	cipu_put_up(cipu);
	return 0;
}

DEFINE_SIMPLE_DEV_PM_OPS(cipu_pm_ops, cipu_suspend, cipu_resume);

static void cipu_reset_prepare(struct pci_dev *pdev)
{
	cipu_take_down(pci_get_drvdata(pdev), -EAGAIN);
}

static void cipu_reset_done(struct pci_dev *pdev)
{
	cipu_put_up(pci_get_drvdata(pdev));
}

static pci_ers_result_t cipu_error_detected(struct pci_dev *pdev,
					    pci_channel_state_t state)
{
	struct cipu *cipu = pci_get_drvdata(pdev);

	if (state == pci_channel_io_perm_failure) {
		cipu_take_down(cipu, -ENODEV);
		return PCI_ERS_RESULT_DISCONNECT;
	}

	cipu_take_down(cipu, -EAGAIN);
	return state == pci_channel_io_frozen ? PCI_ERS_RESULT_NEED_RESET :
						PCI_ERS_RESULT_CAN_RECOVER;
}

static pci_ers_result_t cipu_mmio_enabled(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t cipu_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	pci_set_master(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static void cipu_error_resume(struct pci_dev *pdev)
{
	cipu_put_up(pci_get_drvdata(pdev));
}

const struct pci_error_handlers cipu_err_handlers = {
	.error_detected	= cipu_error_detected,
	.mmio_enabled	= cipu_mmio_enabled,
	.slot_reset	= cipu_slot_reset,
	.resume		= cipu_error_resume,
	.reset_prepare	= cipu_reset_prepare,
	.reset_done	= cipu_reset_done,
};
