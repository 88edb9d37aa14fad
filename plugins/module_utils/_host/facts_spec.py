# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of ansible_facts.cipu_clock: every field, its type and its bounds.

clock_facts fits what it collects to this table, the controller validates what a host returns
against it, and docs/schema/facts-v1.json is generated from it (tests/generated).
"""

from ansible_collections.cipu.clock.plugins.module_utils._host.typed import (
    Flag,
    Items,
    Map,
    Nullable,
    Real,
    Record,
    Text,
    Whole,
)

SCHEMA = 1
CLOCKS_LIMIT = 8
DKMS_LIMIT = 12
KERNELS_LIMIT = 6
SOURCES_LIMIT = 32

# Nanoseconds that fit into the kernel's signed 64 bits.
NS_MOST = 2**63 - 1
COUNT = Whole(0, 2**64 - 1)
REGISTER = Whole(0, 2**32 - 1)
OFFSET_NS = Whole(-NS_MOST, NS_MOST)
SPAN_NS = Whole(0, NS_MOST)
# Seconds and ppm as chronyc prints them: any finite figure that is not absurd.
OFFSET_S = Real(-1e12, 1e12)
SPAN_S = Real(0, 1e12)
PPM = Real(-1e12, 1e12)
PERCENT = Real(0, 100)
NAME = Text(64)
PATH = Text(256)

MEASUREMENT_SHORT = {
    "status": Text(32, note="ok, inconsistent, stepped, failed or skipped"),
    "reason": Text(160),
    "hint": Text(160, note="a likely explanation of an unusual result"),
    "method": Text(32),
    "offset_ns": OFFSET_NS,
    "uncertainty_ns": SPAN_NS,
}
MEASUREMENT = dict(
    MEASUREMENT_SHORT,
    tried=COUNT,
    samples=COUNT,
    failures=Map(COUNT, 8, 16, note="failed reads by errno"),
    interval_ns=Items(OFFSET_NS, 2),
    bracket_ns=Record({"p50": SPAN_NS, "p99": SPAN_NS, "max": SPAN_NS}),
    frequency_ppb=Real(-1e12, 1e12),
    frequency_uncertainty_ppb=Real(0, 1e12),
    frequency_baseline_ns=Whole(0, NS_MOST, note="time over which frequency_ppb is the mean"),
)
REGISTERS = (
    "gst_feat",
    "drv_ver",
    "dev_stat",
    "tm_prec_ns",
    "epo_base_yr",
    "max_lat_ns",
    "thresh_us",
)
COUNTERS = (
    "gettm",
    "gettm_inval_err",
    "gettm_tout_err",
    "gettm_excd_thresh",
    "clk_abn",
    "clk_abn_rec",
    "maint",
    "maint_rec",
    "maint_tout",
    "busy",
    "busy_rec",
    "err",
    "err_rec",
)
SYNC = ("maintenance", "clock_abnormal", "busy", "device_error")
CLOCK_SHORT = {
    "node": PATH,
    "index": Whole(0, 2**31 - 1),
    "name": Text(160),
    "kind": Text(32),
    "pci_address": Text(64),
    "driver": NAME,
    "links": Items(PATH, 8),
    "phc_error_bound_ns": Whole(0, NS_MOST, note="error bound that an ENA device states"),
    "instance": Whole(0, 2**64 - 1, note="changes when the clock is registered again"),
    "measurement": Record(MEASUREMENT_SHORT, note="PHC minus system clock"),
}
CLOCK = dict(
    CLOCK_SHORT,
    owner=NAME,
    group=NAME,
    mode=Text(8, note="octal"),
    measurement=Record(MEASUREMENT, note="PHC minus system clock"),
    cipu=Record(
        {
            "registers": Record(dict.fromkeys(REGISTERS, REGISTER)),
            "sync": Record(dict.fromkeys(SYNC, Flag())),
            "counters": Record(dict.fromkeys(COUNTERS, COUNT)),
            "own_reads": Whole(0, 2**32 - 1, note="reads that the measurement itself caused"),
        }
    ),
)
FUNCTION = {
    "pci_address": Text(64),
    "driver": Text(64, note="left out where no driver is bound"),
}
VMCLOCK = {
    "node": PATH,
    "status": Text(32, note="ok or failed"),
    "reason": Text(160),
    "version": COUNT,
    "counter_id": Text(64, note="invalid: the page carries no time"),
    "time_type": Text(64),
    "disruption_marker": Whole(0, 2**64 - 1, note="changes on migration or restore"),
    "disruption_changed": Flag(note="since the last run of clockprobe"),
    "notification_present": Flag(note="the host notifies the guest when the page changes"),
    "clock_status": Text(64),
    "smearing_hint": Text(64),
    "tai_offset_s": Whole(-(2**31), 2**31),
    "leap_indicator": Text(64),
    "time_est_error_ns": COUNT,
    "time_max_error_ns": COUNT,
    "vm_generation": COUNT,
}
REFCLOCK = {
    "driver": NAME,
    "device": PATH,
    "device_options": NAME,
    "refid": Text(4),
    "prefer": Flag(),
    "trust": Flag(),
    "noselect": Flag(),
    "require": Flag(),
}
TRACKING = {
    "refid": Text(16),
    "source": NAME,
    "stratum": Whole(0, 255),
    "ref_time_s": SPAN_S,
    "system_time_offset_s": Real(-1e12, 1e12, note="positive: the system clock is slow"),
    "last_offset_s": OFFSET_S,
    "rms_offset_s": SPAN_S,
    "frequency_ppm": PPM,
    "residual_ppm": PPM,
    "skew_ppm": Real(0, 1e12),
    "root_delay_s": OFFSET_S,
    "root_dispersion_s": SPAN_S,
    "update_interval_s": OFFSET_S,
    "leap": NAME,
}
SOURCE = {
    "mode": Text(1, choices=("^", "=", "#"), note="# is a refclock"),
    "state": Text(1, note="* is selected"),
    "name": NAME,
    "stratum": Whole(0, 255),
    "poll": Whole(-32, 32, note="log2 s"),
    "reach": Whole(0, 255, note="one bit for each of the last 8 polls"),
    "last_rx_s": Whole(0, 2**32 - 1),
    "offset_s": OFFSET_S,
    "error_s": SPAN_S,
    "selection": Text(1, note="letter of chronyc selectdata"),
}
CHRONY = {
    "status": Text(choices=("ok", "absent", "stopped", "restarting", "denied")),
    "version": Text(32),
    "selected": Nullable(NAME),
    "error_bound_s": Nullable(Real(0, 1e12, note="without the error of the clock itself")),
    "uptime_s": Whole(0, 2**32 - 1, note="since chronyd started"),
    "user": Text(64, note="user that chronyd runs as"),
    "groups": Items(NAME, 16),
    "config": Text(256, note="main file that chronyd reads, if it is not the usual one"),
    "config_error": Text(256),
    "missing_devices": Items(PATH, 8, note="devices of configured refclocks that do not exist"),
    "refclocks": Items(Record(REFCLOCK, ("driver", "device")), 8),
    "tracking": Record(TRACKING),
    "sources": Items(Record(SOURCE), SOURCES_LIMIT),
}
DRIVER = {
    "name": NAME,
    "loaded": Flag(),
    "loaded_version": NAME,
    "loaded_srcversion": NAME,
    "load_id": Whole(0, 2**64 - 1, note="changes with each load of the module"),
    "taint": Text(32, note="letters, as the kernel prints them"),
    "installed_version": NAME,
    "installed_srcversion": NAME,
    "signer": Text(160, note="left out where the installed module is not signed"),
    "dkms": Items(
        Record(
            {
                "version": NAME,
                "kernel": Text(128),
                "arch": Text(32),
                "state": Text(choices=("added", "broken", "built", "installed")),
            },
            ("version", "state"),
        ),
        DKMS_LIMIT,
    ),
}
KERNEL = {
    "running": Text(128),
    "next": Nullable(Text(128)),
    "reboot_pending": Flag(),
    "headers_meta": Nullable(Text(128, note="meta package of the kernel headers, if there is one")),
    "bootable": Items(
        Record(
            {
                "release": Text(128),
                "has_headers": Flag(),
                "headers_package": Nullable(
                    Text(128, note="package of the headers, if there is one")
                ),
                "has_module": Flag(note="left out where modinfo gave no answer"),
            },
            ("release", "has_headers"),
        ),
        KERNELS_LIMIT,
    ),
}
FACTS = Record(
    {
        "schema": Whole(SCHEMA, SCHEMA),
        "taken_at_s": Whole(0, 2**33, note="s since 1970, by the host's own clock"),
        "boot_id": Nullable(Text(64)),
        "probe": Record(
            {
                "status": Text(choices=("ok", "missing", "failed")),
                "path": PATH,
                "version": Text(64),
                "message": Text(256, note="why it failed"),
            },
            ("status", "path"),
        ),
        "functions": Items(Record(FUNCTION), 8, note="CIPU functions on the PCI bus"),
        "clocks": Items(
            Record(CLOCK),
            CLOCKS_LIMIT,
            note="PTP clocks, kind cipu first and in full, others short",
        ),
        "vmclock": Record(VMCLOCK, note="the VMClock page; left out where there is none"),
        "chrony": Record(CHRONY, ("status",)),
        "time_daemons": Items(Text(32), 16, note="active time daemons"),
        "time_instances": Items(Text(128), 8, note="running units of a template, as phc2sys@eth0"),
        "clocksource": Nullable(Text(64)),
        "steal": Record(
            {
                "stolen_ticks": COUNT,
                "total_ticks": COUNT,
                "during_probe_pct": Real(
                    0, 100, note="percent of CPU time while the clocks were read"
                ),
            }
        ),
        "driver": Record(DRIVER, ("name", "loaded", "dkms")),
        "kernel": Record(KERNEL, ("running", "next", "bootable", "reboot_pending")),
        "secure_boot": Record(
            {"enabled": Flag(), "lockdown": Text(32), "signature_enforced": Flag()}
        ),
        "missing": Items(Text(200), 12, note="what could not be determined, one sentence each"),
    },
    (
        "schema",
        "taken_at_s",
        "probe",
        "functions",
        "clocks",
        "chrony",
        "time_daemons",
        "steal",
        "driver",
        "kernel",
        "secure_boot",
        "missing",
    ),
)
