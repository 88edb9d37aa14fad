// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sleep, reset and error recovery. The PTP clock stays registered, so that its
 * index and open files survive; only reads fail in the meantime.
 */

#include "cipu.h"

/* The PCI core waits up to 60 s for a device after a reset. */
#define CIPU_RECOVERY_TOUT	(90 * HZ)

/**
 * cipu_take_down() - close the clock and stop the function's interrupts
 * @cipu: the function; cipu->mutex is not held
 * @state: CIPU_ASLEEP, or CIPU_GONE to leave the registers alone
 *
 * The driver does not touch the registers after the return.
 */
void cipu_take_down(struct cipu *cipu, enum cipu_state state)
{
	cancel_delayed_work_sync(&cipu->overdue_work);

	mutex_lock(&cipu->mutex);
	cipu_clock_set_state(cipu, state);
	mutex_unlock(&cipu->mutex);

	cipu_watch_stop(cipu);

	if (state != CIPU_GONE && !pci_channel_offline(cipu->pdev))
		cipu_hw_stop(cipu);
}

/* The counterpart of cipu_take_down(). A negotiation that fails is retried later. */
static void cipu_put_up(struct cipu *cipu)
{
	cancel_delayed_work_sync(&cipu->overdue_work);

	mutex_lock(&cipu->mutex);
	cipu_clock_set_state(cipu, CIPU_STALE);
	if (cipu_watch_bring_up(cipu) && cipu_may_log(cipu))
		dev_err(&cipu->pdev->dev, "negotiation failed: no time until a retry succeeds\n");
	cipu_watch_start(cipu);
	mutex_unlock(&cipu->mutex);
}

static int cipu_suspend(struct device *dev)
{
	cipu_take_down(dev_get_drvdata(dev), CIPU_ASLEEP);
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
	cipu_take_down(pci_get_drvdata(pdev), CIPU_ASLEEP);
}

static void cipu_reset_done(struct pci_dev *pdev)
{
	cipu_put_up(pci_get_drvdata(pdev));
}

static pci_ers_result_t cipu_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct cipu *cipu = pci_get_drvdata(pdev);

	if (state == pci_channel_io_perm_failure) {
		cipu_take_down(cipu, CIPU_GONE);
		return PCI_ERS_RESULT_DISCONNECT;
	}

	cipu_take_down(cipu, CIPU_ASLEEP);
	schedule_delayed_work(&cipu->overdue_work, CIPU_RECOVERY_TOUT);
	return state == pci_channel_io_frozen ? PCI_ERS_RESULT_NEED_RESET :
						PCI_ERS_RESULT_CAN_RECOVER;
}

static pci_ers_result_t cipu_mmio_enabled(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t cipu_slot_reset(struct pci_dev *pdev)
{
	struct cipu *cipu = pci_get_drvdata(pdev);

	mutex_lock(&cipu->mutex);
	pci_restore_state(pdev);
	pci_save_state(pdev);
	pci_set_master(pdev);
	mutex_unlock(&cipu->mutex);
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
