# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the output of `chronyc -c` and `chronyd -p`."""

import re

TRACKING_FIELDS = 14
SOURCE_FIELDS = 10
SOURCES_LIMIT = 16
REFCLOCKS_LIMIT = 8
NAME_LIMIT = 64
NEVER = 0xFFFFFFFF


def _number(text):
    """A finite number, or None. chronyc prints huge numbers for unknown values."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e30 else None


def _whole(text, base=10):
    try:
        return int(text, base)
    except ValueError:
        return None


def _age_s(text):
    age_s = _whole(text)
    return None if age_s is None or age_s >= NEVER else age_s


def parse_tracking(fields):
    """The record of `chronyc -c tracking`, or None for another line."""
    if len(fields) != TRACKING_FIELDS or not re.match(r"[0-9A-F]{8}$", fields[0]):
        return None
    names = (
        "ref_time_s",
        "system_time_offset_s",
        "last_offset_s",
        "rms_offset_s",
        "frequency_ppm",
        "residual_ppm",
        "skew_ppm",
        "root_delay_s",
        "root_dispersion_s",
        "update_interval_s",
    )
    tracking = {
        "refid": fields[0],
        "source": fields[1][:NAME_LIMIT],
        "stratum": _whole(fields[2]),
        "leap": fields[13][:NAME_LIMIT],
    }
    tracking.update(zip(names, (_number(field) for field in fields[3:13])))
    return tracking


def parse_source(fields):
    if len(fields) != SOURCE_FIELDS or fields[0] not in {"^", "=", "#"}:
        return None
    return {
        "mode": fields[0],
        "state": fields[1][:1],
        "name": fields[2][:NAME_LIMIT],
        "stratum": _whole(fields[3]),
        "poll": _whole(fields[4]),
        "reach": _whole(fields[5], 8),
        "last_rx_s": _age_s(fields[6]),
        # The adjusted offset: the last measured one, corrected for the slew since then.
        "offset_s": _number(fields[7]),
        "error_s": _number(fields[9]),
    }


def parse_selection(fields):
    """Name and selection state (a letter) of a line of `chronyc -c selectdata`, else None."""
    # Each option is a field of one letter. Newer versions of chrony print more of them.
    if len(fields) <= SOURCE_FIELDS or len(fields[0]) != 1:
        return None
    return fields[1][:NAME_LIMIT], fields[0]


def parse_report(text):
    """Output of `chronyc -c -n -m tracking sources selectdata`: (tracking, sources).

    The lines of each command differ in their number of fields and in the first field, so a refused
    command in between does not matter.
    """
    tracking, sources, selection = None, [], {}
    for line in text.splitlines():
        fields = line.split(",")
        tracking = tracking or parse_tracking(fields)
        source = parse_source(fields)
        if source is not None:
            sources.append(source)
        chosen = parse_selection(fields)
        if chosen is not None:
            selection[chosen[0]] = chosen[1]
    sources = bounded(sources)
    for source in sources:
        if source["name"] in selection:
            source["selection"] = selection[source["name"]]
    return tracking, sources


def bounded(sources):
    """The first sources up to the limit, always with the selected source and the refclocks."""
    first = sorted(sources, key=lambda source: (source["state"] != "*", source["mode"] != "#"))
    kept = [id(source) for source in first[:SOURCES_LIMIT]]
    return [source for source in sources if id(source) in kept]


def selected_name(text):
    """Name of the selected source in the output of `chronyc -c sources`, or None."""
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[1] == "*":
            return fields[2]
    return None


def selected(sources):
    for source in sources:
        if source["state"] == "*":
            return source["name"]
    return None


def error_bound_s(tracking):
    """|correction| + root dispersion + root delay / 2, without the error of the clock itself."""
    parts = [tracking[n] for n in ("system_time_offset_s", "root_dispersion_s", "root_delay_s")]
    if None in parts or tracking["stratum"] in {None, 0, 16}:
        return None
    if tracking["leap"].lower() == "not synchronised":
        return None
    return round(abs(parts[0]) + parts[1] + parts[2] / 2, 9)


def parse_refclocks(text):
    """The refclock directives of a configuration as chronyd prints it."""
    refclocks = []
    for line in text.splitlines():
        words = line.split("#")[0].split("!")[0].split()
        if len(words) < 3 or words[0].lower() != "refclock" or len(refclocks) >= REFCLOCKS_LIMIT:
            continue
        device, _colon, options = words[2].partition(":")
        refclock = {"driver": words[1].upper(), "device": device[:NAME_LIMIT]}
        if options:
            refclock["device_options"] = options[:NAME_LIMIT]
        rest = [word.lower() for word in words[3:]]
        if "refid" in rest[:-1]:
            refclock["refid"] = words[3:][rest.index("refid") + 1][:4]
        for flag in ("prefer", "trust", "noselect", "require"):
            if flag in rest:
                refclock[flag] = True
        refclocks.append(refclock)
    return refclocks


def parse_version(text):
    found = re.search(r"version ([0-9][0-9A-Za-z.]*)", text)
    return found.group(1) if found else None
