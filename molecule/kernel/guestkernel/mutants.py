# SPDX-License-Identifier: GPL-3.0-or-later
"""The posted driver's faults, put into ours on purpose: each has to make its test fail.

Fault 1 is a build failure, 3 and 7 need a kernel that is newer than the debug kernel.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault: the test that has to see it, and the changes that bring it about."""

    test: str
    edits: dict[str, list[tuple[str, str]]]
    arguments: tuple[object, ...] = ()


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
        "test_fault_09_an_ill_device_is_seen_ill_at_probe",
        "cipu_main.c",
        ("is found. */\n\tcipu_event_sync(cipu);", "is found. */"),
        ("no interrupt. */\n\tcipu_event_sync(cipu);", "no interrupt. */"),
    ),
    "10": Mutant(
        "test_fault_10_all_ones_is_gone_and_no_event",
        {
            "cipu_event.c": [
                ("if (!PCI_POSSIBLE_ERROR(now))\n", "if (now)\n"),
                ("if (stat == CIPU_STAT_DRIVER_OK)", "if (stat)"),
            ],
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
    ),
    "17": _mutant(
        "test_fault_17_a_maintenance_that_stands_is_told_of_again",
        "cipu_event.c",
        ("jiffies + cipu->maint_wait;", "jiffies + 3600 * HZ;"),
    ),
    "18": _mutant(
        "test_fault_18_every_interrupt_has_a_name_of_its_own",
        "cipu_event.c",
        ('"ptp_cipu-thresh@%s", pci_name(pdev)', '"ptp_cipu"'),
        ('"ptp_cipu-sync@%s", pci_name(pdev)', '"ptp_cipu"'),
    ),
}  # fmt: skip
