# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts, healthy unless changed: facts to judge, a report of clockprobe to collect."""

import copy
import time

from ansible_collections.cipu.clock.plugins.module_utils._host.clockprobe import CLOCK

BOOT_ID = "0d5bd4a3-6c4e-4a1e-9b5e-1f6a2b3c4d5e"
NOW_S = 1766000100

COUNTERS = {
    "gettm": 100000,
    "gettm_inval_err": 0,
    "gettm_tout_err": 0,
    "gettm_excd_thresh": 0,
    "clk_abn": 0,
    "clk_abn_rec": 0,
    "maint": 1,
    "maint_rec": 1,
    "maint_tout": 0,
    "busy": 0,
    "busy_rec": 0,
    "err": 0,
    "err_rec": 0,
}

REGISTERS = {
    "dev_feat": 15,
    "gst_feat": 14,
    "drv_ver": 0x00010300,
    "env_ver": 0xF806016B,
    "dev_stat": 2,
    "sync_stat": 0,
    "tm_prec_ns": 100,
    "epo_base_yr": 2020,
    "leap_sec": 37,
    "max_lat_ns": 2000000,
    "mt_tout_us": 5000000,
    "thresh_us": 500,
}


def clock_report(index=0, address="0000:00:10.0", links=("/dev/ptp_cipu",)):
    """A CIPU clock as clockprobe --json prints it."""
    return {
        "node": "/dev/ptp{0}".format(index),
        "index": index,
        "name": "ptp_cipu",
        "kind": "cipu",
        "pci_address": address,
        "driver": "ptp_cipu",
        "links": list(links) + ["/dev/ptp_cipu-" + address],
        "interfaces": [],
        "uid": 0,
        "gid": 0,
        "mode": "0660",
        "capabilities": {
            "max_adj_ppb": 0,
            "cross_timestamping": False,
            "adjust_phase": False,
            "max_phase_adj_ns": None,
            "n_alarm": 0,
            "n_ext_ts": 0,
            "n_per_out": 0,
            "n_pins": 0,
            "pps": False,
        },
        "frequency_adjustment_ppb": 0.0,
        "phc_error_bound_ns": None,
        "measurement": {
            "status": "ok",
            "reason": None,
            "hint": None,
            "method": "extended",
            "clockid": "realtime",
            "at_ns": NOW_S * 10**9,
            "tried": 60,
            "samples": 60,
            "failures": {},
            "offset_ns": -1250,
            "uncertainty_ns": 51200,
            "least_bracket": {"offset_ns": -1270, "bracket_ns": 99000},
            "narrow_mean_ns": -1200,
            "interval_ns": [-41000, 39500],
            "bracket_ns": {
                "min": 99000,
                "p50": 121000,
                "p90": 190000,
                "p99": 310000,
                "max": 355000,
            },
            "claimed_precision_ns": 100,
            "phc_tick_ns": 4,
            "system_tick_ns": 4,
            "duration_ns": 240000000,
            "frequency_ppb": None,
            "frequency_uncertainty_ppb": None,
            "frequency_baseline_ns": None,
        },
        "cipu": {
            "registers": dict(REGISTERS),
            "drv_cap": 14,
            "features": ["epoch", "abnormal_irq", "recovery_irq"],
            "sync": {
                "maintenance": False,
                "clock_abnormal": False,
                "busy": False,
                "device_error": False,
            },
            "counters": dict(COUNTERS),
            "own_reads": 60,
        },
    }


def report():
    """clockprobe --json of a host with a clock and a reference."""
    return {
        "schema": 1,
        "version": "0.2.0",
        "boot_id": BOOT_ID,
        "clocksource": "tsc",
        "taken_at_ns": NOW_S * 10**9,
        "steal_pct": 0.0,
        "problems": [],
        "functions": [
            {"pci_address": "0000:00:10.0", "driver": "ptp_cipu"},
            {"pci_address": "0000:00:11.0", "driver": "ptp_cipu"},
        ],
        "clocks": [clock_report(), clock_report(1, "0000:00:11.0", ())],
        "vmclock": None,
    }


def facts():
    """A healthy host, as clock_facts returns it."""
    clock = CLOCK.fit(dict(clock_report(), owner="root", group="_chrony"))
    clock["instance"] = 4711
    return {
        "schema": 1,
        "taken_at_s": NOW_S,
        "boot_id": BOOT_ID,
        "probe": {"status": "ok", "path": "/usr/local/bin/clockprobe", "version": "0.2.0"},
        "functions": [{"pci_address": "0000:00:10.0", "driver": "ptp_cipu"}],
        "clocks": [clock],
        "chrony": {
            "status": "ok",
            "version": "4.3",
            "tracking": {
                "refid": "43495055",
                "source": "CIPU",
                "stratum": 1,
                "ref_time_s": NOW_S - 1.5,
                "system_time_offset_s": 0.000000012,
                "last_offset_s": 0.000000003,
                "rms_offset_s": 0.0000001,
                "frequency_ppm": -12.345,
                "residual_ppm": 0.001,
                "skew_ppm": 0.01,
                "root_delay_s": 0.00001,
                "root_dispersion_s": 0.000002,
                "update_interval_s": 1.0,
                "leap": "Normal",
            },
            "sources": [
                {
                    "mode": "#",
                    "state": "*",
                    "name": "CIPU",
                    "stratum": 0,
                    "poll": 0,
                    "reach": 255,
                    "last_rx_s": 1,
                    "offset_s": -0.000000005,
                    "error_s": 0.000005123,
                },
                {
                    "mode": "^",
                    "state": "-",
                    "name": "192.0.2.1",
                    "stratum": 2,
                    "poll": 6,
                    "reach": 255,
                    "last_rx_s": 30,
                    "offset_s": 0.0001,
                    "error_s": 0.0125,
                },
            ],
            "selected": "CIPU",
            "error_bound_s": 0.000007012,
            "refclocks": [{"driver": "PHC", "device": "/dev/ptp_cipu", "refid": "CIPU"}],
            "user": "_chrony",
            "groups": ["_chrony"],
        },
        "time_daemons": ["chronyd"],
        "clocksource": "tsc",
        "steal": {"stolen_ticks": 10, "total_ticks": 100000, "during_probe_pct": 0.0},
        "driver": {
            "name": "ptp_cipu",
            "loaded": True,
            "loaded_version": "0.2.0",
            "loaded_srcversion": "B1E2A3D4C5F60718293A4B5",
            "load_id": 99,
            "taint": "OE",
            "installed_version": "0.2.0",
            "installed_srcversion": "B1E2A3D4C5F60718293A4B5",
            "dkms": [
                {
                    "version": "0.2.0",
                    "kernel": "6.1.0-40-amd64",
                    "arch": "x86_64",
                    "state": "installed",
                }
            ],
        },
        "kernel": {
            "running": "6.1.0-40-amd64",
            "next": "6.1.0-40-amd64",
            "headers_meta": "linux-headers-amd64",
            "bootable": [
                {
                    "release": "6.1.0-40-amd64",
                    "has_headers": True,
                    "headers_package": "linux-headers-6.1.0-40-amd64",
                    "has_module": True,
                }
            ],
            "reboot_pending": False,
        },
        "secure_boot": {"enabled": False, "lockdown": "none", "signature_enforced": False},
        "missing": [],
    }


def earlier(now=None, by_s=60):
    """The facts of the same host some seconds before."""
    then = copy.deepcopy(now or facts())
    then["taken_at_s"] -= by_s
    then["steal"]["total_ticks"] -= by_s * 100
    for clock in then["clocks"]:
        clock["cipu"]["counters"]["gettm"] -= 1000
    return then


def fresh(**changes):
    """Facts taken now. A change is given by its path, with __ for a dot."""
    record = facts()
    age_s = int(time.time()) - record["taken_at_s"]
    record["taken_at_s"] += age_s
    record["chrony"]["tracking"]["ref_time_s"] += age_s
    for path, value in changes.items():
        change(record, path.replace("__", "."), value)
    return record


def paths(record, prefix=""):
    """All paths in a record, as `change` takes them."""
    items = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in items:
        path = "{0}{1}".format(prefix, key)
        yield path
        if isinstance(value, (dict, list)):
            yield from paths(value, path + ".")


def change(record, path, value):
    """Sets record[a][b] for "a.b"; numbers are indexes of lists. DROP removes the key."""
    steps = path.split(".")
    for step in steps[:-1]:
        record = record[int(step)] if isinstance(record, list) else record.setdefault(step, {})
    last = steps[-1]
    if value is DROP:
        del record[last]
    elif isinstance(record, list):
        record[int(last)] = value
    else:
        record[last] = value


DROP = object()
