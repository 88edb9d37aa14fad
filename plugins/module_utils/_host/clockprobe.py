# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads clockprobe's JSON and fits it to the table of facts. Null and unknown keys are left out."""

import json

from ansible_collections.cipu.clock.plugins.module_utils._host import facts_spec, system
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import Record, Text

SCHEMA = 1
DEFAULT_PATH = "/usr/local/bin/clockprobe"
PACKAGED_PATH = "/usr/bin/clockprobe"
PERCENT = facts_spec.PERCENT
VERSION = Text(64)
VMCLOCK = Record(facts_spec.VMCLOCK)
FUNCTIONS = facts_spec.FACTS.fields["functions"]
CLOCK = Record(facts_spec.CLOCK)
CLOCK_SHORT = Record(facts_spec.CLOCK_SHORT)


def located(tree, path):
    """The program to run: instead of a default that is missing, that of the package."""
    if path == DEFAULT_PATH and not tree.is_file(path) and tree.is_file(PACKAGED_PATH):
        return PACKAGED_PATH
    return path


def parse(outcome):
    """The report, or None and the reason. Exit status 1 and 3 come with a report too."""
    if outcome.problem is not None:
        return None, outcome.problem
    try:
        report = json.loads(outcome.out, parse_constant=_refuse)
        # The parser accepts lone surrogates, which cannot be written to a file or a terminal.
        json.dumps(report, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return None, "its report is not valid Unicode"
    except (ValueError, RecursionError):
        return None, "exit status {0}, {1}".format(outcome.rc, outcome.error_line())
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        return None, "its report has another schema"
    return report, None


def _refuse(constant):
    raise ValueError("{0} is not a JSON number".format(constant))


def clocks(report):
    """The clocks, CIPU first and in full, and how many were left out."""
    found = report.get("clocks")
    found = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    found.sort(key=lambda clock: clock.get("kind") != "cipu")
    kept = found[: facts_spec.CLOCKS_LIMIT]
    fitted = [
        (CLOCK if one.get("kind") == "cipu" else CLOCK_SHORT).fit(dict(_accounts(one), **one))
        for one in kept
    ]
    return fitted, len(found) - len(kept)


def _accounts(clock):
    """Names of the owner and the group of a node, which clockprobe reports by number."""
    names = {}
    for key, name, look_up in (
        ("uid", "owner", system.user_name),
        ("gid", "group", system.group_name),
    ):
        number = clock.get(key)
        if isinstance(number, int) and not isinstance(number, bool):
            names[name] = look_up(number)
    return names


def problems(report):
    """Sentences that say what clockprobe could not measure, and why."""
    found = report.get("problems")
    found = facts_spec.FACTS.fields["missing"].fit(found) if isinstance(found, list) else []
    return ["clockprobe: {0}.".format(one.rstrip(".")) for one in found]


def functions(report):
    found = report.get("functions")
    return FUNCTIONS.fit(found) if isinstance(found, list) else []
