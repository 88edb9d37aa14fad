# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes from clockprobe's JSON what facts keep: known keys, of the right type, of bounded size.

What a key says is for others to judge. Null is left out: absent and unknown are the same.
clockprobe reports the owner of a node as numbers; here they get their names.
"""

from ansible_collections.cipu.clock.plugins.module_utils._host import system

TEXT_LIMIT = 160
LIST_LIMIT = 8
CLOCKS_LIMIT = 8
FUNCTIONS_LIMIT = 8
INT_LIMIT = 1 << 64

ERRNO_COUNTS = "counts"

MEASUREMENT_SHORT = {
    "status": str,
    "reason": str,
    "hint": str,
    "method": str,
    "offset_ns": int,
    "uncertainty_ns": int,
}
MEASUREMENT = dict(
    MEASUREMENT_SHORT,
    tried=int,
    samples=int,
    failures=ERRNO_COUNTS,
    interval_ns=[int],
    bracket_ns={"p50": int, "p99": int, "max": int},
    frequency_ppb=float,
    frequency_uncertainty_ppb=float,
    frequency_baseline_ns=int,
)
REGISTERS = dict.fromkeys(
    (
        "gst_feat",
        "drv_ver",
        "dev_stat",
        "tm_prec_ns",
        "epo_base_yr",
        "max_lat_ns",
        "thresh_us",
    ),
    int,
)
COUNTERS = dict.fromkeys(
    (
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
    ),
    int,
)
SYNC = dict.fromkeys(("maintenance", "clock_abnormal", "busy", "device_error"), bool)
CLOCK_SHORT = {
    "node": str,
    "index": int,
    "name": str,
    "kind": str,
    "pci_address": str,
    "driver": str,
    "links": [str],
    "phc_error_bound_ns": int,
    "measurement": MEASUREMENT_SHORT,
}
CLOCK = dict(
    CLOCK_SHORT,
    uid=int,
    gid=int,
    mode=str,
    measurement=MEASUREMENT,
    cipu={
        "registers": REGISTERS,
        "sync": SYNC,
        "counters": COUNTERS,
        "own_reads": int,
    },
)
FUNCTION = {"pci_address": str, "driver": str}
VMCLOCK = {
    "node": str,
    "status": str,
    "reason": str,
    "version": int,
    "counter_id": str,
    "time_type": str,
    "disruption_marker": int,
    "disruption_changed": bool,
    "notification_present": bool,
    "clock_status": str,
    "smearing_hint": str,
    "tai_offset_s": int,
    "leap_indicator": str,
    "time_est_error_ns": int,
    "time_max_error_ns": int,
    "vm_generation": int,
}
PROBE = {"schema": int, "version": str, "steal_pct": float}


def _scalar(value, kind):
    if kind is str:
        return value[:TEXT_LIMIT] if isinstance(value, str) else None
    if kind is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind is int:
        return value if isinstance(value, int) and abs(value) < INT_LIMIT else None
    return value if abs(value) < INT_LIMIT else None


def pick(value, spec):
    """The part of value that the spec names; None where it is of another type."""
    if isinstance(spec, dict):
        if not isinstance(value, dict):
            return None
        picked = {key: pick(value.get(key), of_key) for key, of_key in spec.items()}
        return {key: part for key, part in picked.items() if part is not None}
    if isinstance(spec, list):
        if not isinstance(value, list):
            return None
        parts = [_scalar(part, spec[0]) for part in value[:LIST_LIMIT]]
        return [part for part in parts if part is not None]
    if spec == ERRNO_COUNTS:
        return _counts(value)
    return _scalar(value, spec)


def _counts(value):
    if not isinstance(value, dict):
        return None
    counts = {}
    for name in sorted(key for key in value if isinstance(key, str))[:LIST_LIMIT]:
        count = _scalar(value[name], int)
        if count:
            counts[name[:16]] = count
    return counts or None


def _records(value):
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def clocks(report):
    """The clocks, CIPU first and in full, and how many were left out."""
    found = _records(report.get("clocks"))
    found.sort(key=lambda clock: clock.get("kind") != "cipu")
    kept = found[:CLOCKS_LIMIT]
    told = [pick(clock, CLOCK if clock.get("kind") == "cipu" else CLOCK_SHORT) for clock in kept]
    for clock in told:
        _name_owner(clock)
    return told, len(found) - len(kept)


def _name_owner(clock):
    uid, gid = clock.pop("uid", None), clock.pop("gid", None)
    if uid is not None:
        clock["owner"] = system.user_name(uid)
    if gid is not None:
        clock["group"] = system.group_name(gid)


def problems(report):
    """What kept clockprobe from measuring everything, as sentences."""
    return pick(report.get("problems"), [str]) or []


def functions(report):
    return [pick(entry, FUNCTION) for entry in _records(report.get("functions"))[:FUNCTIONS_LIMIT]]
