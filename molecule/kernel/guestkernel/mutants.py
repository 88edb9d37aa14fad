# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults added to the driver on purpose: each must make its test fail.

Numbers are faults of the driver posted to netdev. Of those, 1 is a build failure, and 3 and 7 need
a kernel that is newer than the debug kernel. Names are faults that this driver had itself.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault: the test that must see it, and the changes that add it.

    A fatal one leaves a kernel that cannot be used any more.
    """

    test: str
    edits: dict[str, list[tuple[str, str]]]
    arguments: tuple[object, ...] = ()
    fatal: bool = False


# The time limit of an error recovery in the variant "hasty".
HASTY_S = 4
# Variants of the driver that make a rare event happen; they add no fault.
INJECTIONS: dict[str, dict[str, list[tuple[str, str]]]] = {
    "irqfail": {
        "cipu_watch.c": [
            (
                '\tret = pci_request_irq(pdev, CIPU_VEC_SYNC, NULL, cipu_sync_thread, cipu, '
                '"ptp_cipu-sync@%s",\n\t\t\t      pci_name(pdev));\n',
                "\tirq_wake_thread(pci_irq_vector(pdev, CIPU_VEC_THRESH), cipu);\n"
                "\tret = -ENOSPC;\n",
            )
        ]
    },
    "hasty": {"cipu_life.c": [("#define CIPU_RECOVERY_TOUT\t(90 * HZ)",
                              f"#define CIPU_RECOVERY_TOUT\t({HASTY_S} * HZ)")]},
}  # fmt: skip


def _mutant(
    test: str, name: str, *changes: tuple[str, str], arguments: tuple[object, ...] = ()
) -> Mutant:
    return Mutant(test, {name: list(changes)}, arguments)


MUTANTS = {
    "02": _mutant(
        "test_fault_02_a_read_without_system_times_is_checked_like_any_other",
        "cipu_clock.c",
        ("if (s->latency_ns > cipu->max_lat_ns)", "if (sts && s->latency_ns > cipu->max_lat_ns)"),
    ),
    "04": _mutant(
        "test_fault_04_a_step_of_the_system_clock_is_no_latency",
        "cipu_clock.c",
        ("start_ns = ktime_get_raw_ns();", "start_ns = ktime_get_real_ns();"),
        ("s->latency_ns = s->raw_ns - start_ns;", "s->latency_ns = s->real_ns - start_ns;"),
    ),
    "05": _mutant(
        "test_fault_05_one_bad_read_does_not_fail_an_ioctl_of_25",
        "cipu_clock.c",
        ("#define CIPU_READ_TRIES\t\t3", "#define CIPU_READ_TRIES\t\t1"),
        arguments=("invalid_timestamps",),
    ),
    "06": _mutant(
        "test_fault_06_interrupts_get_through_a_strict_host",
        "cipu_main.c",
        ("\tpci_set_master(pdev);", "\tpci_clear_master(pdev);"),
    ),
    "08": _mutant(
        "test_fault_08_the_byte_at_0x11_is_read_as_a_byte",
        "cipu_event.c",
        ("readb(cipu->base + CIPU_SYNC_STAT)", "readl(cipu->base + CIPU_DEV_STAT) >> 8"),
    ),
    "09": _mutant(
        "test_fault_09_a_failing_device_is_noticed_at_probe",
        "cipu_watch.c",
        ("\tcipu_event_sync(cipu);\n\t/* The PCI core", "\t/* The PCI core"),
    ),
    "10": Mutant(
        "test_fault_10_all_ones_is_gone_and_no_event",
        {
            "cipu_event.c": [
                ("if (!PCI_POSSIBLE_ERROR(now))\n", "if (now)\n"),
            ],
            "cipu_watch.c": [("if (stat == CIPU_STAT_DRIVER_OK)", "if (stat)")],
            "cipu_clock.c": [("!pci_device_is_present(cipu->pdev)", "false")],
        },
        arguments=(False,),
    ),
    "11": _mutant(
        "test_fault_11_a_function_reset_keeps_the_clock_and_its_index",
        "cipu_main.c",
        ("\t.err_handler\t= &cipu_err_handlers,\n", ""),
        arguments=("flr",),
    ),
    "12": _mutant(
        "test_fault_12_a_bar_of_another_kind_is_refused",
        "cipu_main.c",
        ("pci_resource_len(pdev, 0) < CIPU_BAR_SIZE", "false"),
        arguments=("short",),
    ),
    "13": _mutant(
        "test_fault_13_polls_where_the_vectors_are_missing",
        "cipu_main.c",
        ("\tif (!ret)\n\t\treturn 0;\n\n\tdev_warn", "\treturn ret;\n\n\tdev_warn"),
    ),
    "14 epoch": _mutant(
        "test_fault_14_an_epoch_that_is_no_year_is_refused",
        "cipu_hw.c",
        ("if (year < CIPU_DEF_EPOCH_YR || year > CIPU_LAST_EPOCH_YR)", "if (!dev)"),
        ("\tunsigned long flags;\n\n\tif (cipu->cached.gst_feat & CIPU_FEAT_EPOCH)",
         "\tunsigned long flags;\n\tstruct device *dev = &cipu->pdev->dev;\n\n"
         "\tif (cipu->cached.gst_feat & CIPU_FEAT_EPOCH)"),
        arguments=(2201,),
    ),
    "14 limits": _mutant(
        "test_fault_14_no_limit_is_not_a_limit_of_nothing",
        "cipu_hw.c",
        ("us ? (u64)us * NSEC_PER_USEC : U64_MAX", "(u64)us * NSEC_PER_USEC"),
    ),
    "15": _mutant(
        "test_fault_15_numbers_do_not_wrap",
        "cipu_sysfs.c",
        ('"0x%x\\n", READ_ONCE(*field)', '"%d\\n", (int)READ_ONCE(*field)'),
    ),
    "16": _mutant(
        "test_fault_16_a_read_storm_is_no_work_storm",
        "cipu_clock.c",
        ("#define CIPU_EVENT_GAP_NS\t(100 * NSEC_PER_MSEC)", "#define CIPU_EVENT_GAP_NS\t0"),
        ("#define CIPU_BLOCK_AFTER\t8", "#define CIPU_BLOCK_AFTER\t1000000000"),
        # On a slow host the time budget would end the storm.
        ("#define CIPU_STUCK_NS\t\t(50 * NSEC_PER_MSEC)", "#define CIPU_STUCK_NS\t\tU64_MAX"),
    ),
    "17": _mutant(
        "test_fault_17_an_overdue_maintenance_is_reported_again",
        "cipu_event.c",
        ("jiffies + cipu->maint_wait;", "jiffies + 3600 * HZ;"),
    ),
    "18": _mutant(
        "test_fault_18_every_interrupt_has_a_name_of_its_own",
        "cipu_watch.c",
        ('"ptp_cipu-thresh@%s", pci_name(pdev)', '"ptp_cipu"'),
        ('"ptp_cipu-sync@%s",\n\t\t\t      pci_name(pdev)', '"ptp_cipu"'),
    ),
    "first read": _mutant(
        "test_lost_state_is_noticed_by_the_first_read",
        "cipu_clock.c",
        ("if (cipu->last_raw_ns && abs(", "if (!cipu->last_raw_ns || abs("),
        arguments=("probe",),
    ),
    "late close": _mutant(
        "test_a_power_loss_under_load_causes_one_negotiation",
        "cipu_clock.c",
        ("#include <linux/ktime.h>\n", "#include <linux/delay.h>\n#include <linux/ktime.h>\n"),
        ("\t\treturn cipu_clock_close(cipu, CIPU_STALE);",
         "\t\traw_spin_unlock(&cipu->lock);\n\t\tmdelay(20 + 600 * smp_processor_id());\n"
         "\t\traw_spin_lock(&cipu->lock);\n\t\treturn cipu_clock_close(cipu, CIPU_STALE);"),
    ),
    "mutex in probe": Mutant(
        "test_a_vector_that_fires_while_probe_gives_up_on_interrupts",
        {
            **INJECTIONS["irqfail"],
            "cipu_main.c": [
                ("\tret = cipu_prepare(cipu);\n",
                 "\tmutex_lock(&cipu->mutex);\n\tret = cipu_prepare(cipu);\n"
                 "\tmutex_unlock(&cipu->mutex);\n")
            ],
        },
        fatal=True,
    ),
    "endless recovery": _mutant(
        "test_an_error_recovery_that_never_ends_does_not_stop_the_clock",
        "cipu_life.c",
        ("\tschedule_delayed_work(&cipu->overdue_work, CIPU_RECOVERY_TOUT);\n", ""),
    ),
    "waiting with interrupts off": _mutant(
        "test_a_reader_that_waits_for_another_keeps_interrupts_on",
        "cipu_clock.c",
        ("while (!raw_spin_trylock_irqsave(&cipu->lock, flags))\n\t\t\tcpu_relax();",
         "raw_spin_lock_irqsave(&cipu->lock, flags);"),
    ),
    "no time budget": _mutant(
        "test_slow_failing_reads_share_one_time_budget",
        "cipu_clock.c",
        ("cipu->fail_ns += s->latency_ns;", "cipu->fail_ns = s->latency_ns;"),
    ),
    "gone by register": _mutant(
        "test_gone_is_logged_once_per_disappearance",
        "cipu_watch.c",
        ("if (!cipu->gone_reported)", "if (cipu->cached.dev_stat != CIPU_STAT_RESET)"),
    ),
    "unlimited log": _mutant(
        "test_negotiations_that_keep_failing_do_not_fill_the_log",
        "cipu.h",
        ("return __ratelimit(&cipu->log);", "return true;"),
    ),
    "early threshold": _mutant(
        "test_the_threshold_is_read_after_driver_ok",
        "cipu_watch.c",
        ("\tcipu_hw_set_thresh(cipu);\n\tcipu_event_sync(cipu);\n\t/* The PCI",
         "\tcipu_event_sync(cipu);\n\t/* The PCI"),
    ),
    "kernel version": _mutant(
        "test_the_versions_are_reported",
        "cipu_hw.c",
        ("init_utsname()->release", '"5.4.3"'),
    ),
}  # fmt: skip
