# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts and health of one host as Prometheus metrics, for node_exporter's textfile collector.

Names follow Prometheus: base units (seconds, ratios), _total for counters, _info for constant
texts. Labels come from fixed sets or are bounded in number and length, so that a host cannot flood
the server with series. An unknown value has no sample.
"""

import math

from ansible_collections.cipu.clock.plugins.module_utils._health.checks_chrony import reach_polls

PREFIX = "cipu_"
LABEL_LIMIT = 64
# Order and numbers of severities; alert rules compare with them.
SEVERITIES = {"ok": 0, "warning": 1, "unknown": 2, "critical": 3}
STATES = (
    "OK",
    "NOT_APPLICABLE",
    "DEGRADED",
    "UNKNOWN",
    "FREERUNNING",
    "DISRUPTED",
    "UNSYNCED",
)
SOURCE_KINDS = ("cipu", "phc", "ntp", "none")

# Name without prefix: type, help.
FAMILIES = {
    "clock_health_timestamp_seconds": ("gauge", "Unix time at which the host was judged."),
    "clock_severity": (
        "gauge",
        "Severity of the host: 0 ok, 1 warning, 2 unknown, 3 critical.",
    ),
    "clock_state": ("gauge", "1 for the state that the host is in, 0 for the other states."),
    "clock_check_severity": (
        "gauge",
        "Severity of each health check: 0 ok, 1 warning, 2 unknown, 3 critical.",
    ),
    "clock_check_value": (
        "gauge",
        "Value that the check found, in the unit that its documentation names.",
    ),
    "clock_error_bound_seconds": ("gauge", "How far the system clock can be from true time."),
    "clock_driver_info": ("gauge", "Version of the loaded and of the installed driver."),
    "clock_functions": ("gauge", "CIPU functions on the PCI bus, by whether a driver is bound."),
    "chrony_up": ("gauge", "1 if chronyd answers."),
    "chrony_selected": ("gauge", "1 for the kind of source that chronyd has selected."),
    "chrony_reach_ratio": ("gauge", "Answered polls of the CIPU clock, of the last 8."),
    "chrony_stratum": ("gauge", "Stratum of the system clock."),
    "chrony_leap_synchronised": ("gauge", "1 if chronyd calls the system clock synchronised."),
    "chrony_system_time_offset_seconds": ("gauge", "Correction that chronyd is still applying."),
    "chrony_last_offset_seconds": ("gauge", "Offset at the last update of the system clock."),
    "chrony_rms_offset_seconds": ("gauge", "Long-term average of the offset."),
    "chrony_frequency_ratio": ("gauge", "Frequency error of the system clock without correction."),
    "chrony_skew_ratio": ("gauge", "Error bound of the frequency."),
    "chrony_root_delay_seconds": ("gauge", "Network delay to the primary reference."),
    "chrony_root_dispersion_seconds": ("gauge", "Dispersion accumulated to the primary reference."),
    "chrony_last_update_timestamp_seconds": ("gauge", "Unix time of the last update."),
}

# Types of OpenMetrics that the text format lacks, and suffixes that it counts to a family's name.
TEXT_TYPES = {"info": "gauge", "stateset": "gauge", "unknown": "untyped"}
SUFFIXES = {"info": "_info", "counter": "_total"}


def escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def label(value):
    """A label value: printable and bounded; empty for anything but a string."""
    if not isinstance(value, str):
        return ""
    return "".join(
        c for c in value[:LABEL_LIMIT] if c.isprintable() and not "\ud800" <= c <= "\udfff"
    )


def number(value):
    """A sample's value, or None for anything but a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return repr(value) if math.isfinite(value) else None


class Page:
    """Samples by family, in the order of FAMILIES, each series once."""

    def __init__(self):
        self.samples = {name: {} for name in FAMILIES}

    def add(self, name, value, **labels):
        text = number(value)
        if text is None:
            return
        shown = ",".join('{0}="{1}"'.format(k, escape(label(v))) for k, v in sorted(labels.items()))
        self.samples[name].setdefault("{" + shown + "}" if shown else "", text)

    def text(self):
        lines = []
        for name, (kind, help_text) in FAMILIES.items():
            if not self.samples[name]:
                continue
            full = PREFIX + name
            lines.append("# HELP {0} {1}".format(full, help_text))
            lines.append("# TYPE {0} {1}".format(full, kind))
            lines += [
                "{0}{1} {2}".format(full, k, v) for k, v in sorted(self.samples[name].items())
            ]
        return "\n".join(lines) + "\n"


def add_health(page, health, checks, judged_at_s):
    """checks: the names of all checks, so that a check without a finding is 0 and not absent."""
    page.add("clock_health_timestamp_seconds", judged_at_s)
    page.add("clock_severity", SEVERITIES.get(health.get("severity"), 2))
    for state in STATES:
        page.add("clock_state", int(health.get("state") == state), state=state)
    bound_ns = health.get("error_bound_ns")
    if number(bound_ns) is not None:
        page.add("clock_error_bound_seconds", bound_ns / 1e9)
    worst = dict.fromkeys(checks, 0)
    if health.get("state") == "NOT_APPLICABLE":
        worst = {}
    for missed in health.get("not_checked") or []:
        worst.pop(missed.get("check"), None)
    for reason in health.get("reasons") or []:
        name = reason.get("check")
        if name in checks:
            severity = SEVERITIES.get(reason.get("severity"), 2)
            worst[name] = max(worst.get(name, 0), severity)
            page.add("clock_check_value", reason.get("value"), check=name)
    for name, severity in worst.items():
        page.add("clock_check_severity", severity, check=name)


def add_driver(page, facts):
    driver = facts.get("driver") or {}
    if driver.get("loaded_version") or driver.get("installed_version"):
        page.add(
            "clock_driver_info",
            1,
            loaded=driver.get("loaded_version"),
            installed=driver.get("installed_version"),
        )
    functions = [one for one in facts.get("functions") or [] if isinstance(one, dict)]
    bound = sum(1 for one in functions if one.get("driver"))
    page.add("clock_functions", bound, bound="true")
    page.add("clock_functions", len(functions) - bound, bound="false")


def source_kind(chrony):
    """Kind of the selected source: its name is a label value that a host could choose."""
    for source in chrony.get("sources") or []:
        if source.get("state") == "*":
            if source.get("mode") != "#":
                return "ntp"
            return "cipu" if source.get("name") == "CIPU" else "phc"
    return "none"


def add_chrony(page, chrony):
    page.add("chrony_up", int(chrony.get("status") == "ok"))
    tracking = chrony.get("tracking")
    if not isinstance(tracking, dict):
        return
    kind = source_kind(chrony)
    for one in SOURCE_KINDS:
        page.add("chrony_selected", int(one == kind), kind=one)
    for source in chrony.get("sources") or []:
        if source.get("name") == "CIPU" and isinstance(source.get("reach"), int):
            answered, made = reach_polls(chrony, source)
            if made > 0:
                page.add("chrony_reach_ratio", float(answered) / made)
    page.add("chrony_stratum", tracking.get("stratum"))
    leap = tracking.get("leap")
    if isinstance(leap, str):
        page.add("chrony_leap_synchronised", int(leap.lower() != "not synchronised"))
    for key, name, scale in (
        ("system_time_offset_s", "system_time_offset_seconds", 1),
        ("last_offset_s", "last_offset_seconds", 1),
        ("rms_offset_s", "rms_offset_seconds", 1),
        ("frequency_ppm", "frequency_ratio", 1e-6),
        ("skew_ppm", "skew_ratio", 1e-6),
        ("root_delay_s", "root_delay_seconds", 1),
        ("root_dispersion_s", "root_dispersion_seconds", 1),
        ("ref_time_s", "last_update_timestamp_seconds", 1),
    ):
        value = tracking.get(key)
        if number(value) is not None:
            page.add("chrony_" + name, value * scale)


def exposition(facts, health, checks, judged_at_s):
    """The page of one host. facts and health: of clock_facts and of judge()."""
    page = Page()
    add_health(page, health, checks, judged_at_s)
    add_driver(page, facts)
    add_chrony(page, facts.get("chrony") or {})
    return page.text()


def textfile(openmetrics):
    """Convert clockprobe's OpenMetrics to the older text format that node_exporter reads.

    That format has no UNIT, EOF and info, and names a counter's family with its _total.
    """
    source = [line.split(" ") for line in openmetrics.splitlines()]
    kinds = {
        words[2]: words[3] for words in source if words[:2] == ["#", "TYPE"] and len(words) > 3
    }
    lines = []
    for words in source:
        if words[0] == "#":
            if len(words) < 4 or words[1] not in ("HELP", "TYPE"):
                continue
            kind = kinds.get(words[2])
            if words[1] == "TYPE":
                words[3] = TEXT_TYPES.get(kind, kind)
            words[2] += SUFFIXES.get(kind, "")
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"
