# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a host: a pure function of its facts, the previous ones, thresholds and current time."""

from ansible_collections.cipu.clock.plugins.module_utils._health import boundary
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.checks_chrony import error_bound_ns
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    MESSAGE_LIMIT,
    NOT_APPLICABLE,
    SEVERITIES,
    STATES,
    Host,
    Unseen,
    finding,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import complete
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import shown

# Facts whose time is further in the future than this are not used: the host's clock may be wrong.
AHEAD_LIMIT_S = 300
FACTS_ADVICE = "Check that the host answers, and gather its facts again."
MALFORMED_ADVICE = "The host returned data that clock_facts never returns: inspect that host."


def judge(facts, previous=None, thresholds=None, now_s=None):
    """Health of one host, from its facts as the host returned them; None: it returned none."""
    return assess(facts, previous, thresholds, now_s)[1]


def assess(facts, previous=None, thresholds=None, now_s=None):
    """The admitted facts ({} where they are unusable) and the health of one host."""
    if not facts:
        return {}, unknown("The host returned no facts.", FACTS_ADVICE)
    try:
        admitted = boundary.admit(facts)
    except boundary.Malformed as malformed:
        message = "The facts are malformed: {0}.".format(malformed)
        return {}, unknown(message, MALFORMED_ADVICE)
    before = boundary.comparable(admitted, previous)
    host = Host(admitted, before, complete(thresholds), now_s)
    stale = _stale(host)
    if stale is not None:
        return admitted, unknown(stale, FACTS_ADVICE)
    if not host.cipu_expected():
        return admitted, _result(NOT_APPLICABLE.upper(), NOT_APPLICABLE, [], [], 0, None)
    return admitted, _checked(host)


def unknown(message, advice):
    """The health of a host without usable facts."""
    reason = {
        "check": "facts",
        "severity": "unknown",
        "value": None,
        "limit": None,
        "unit": None,
        "message": shown(message, MESSAGE_LIMIT),
        "advice": advice,
    }
    return _result("UNKNOWN", "unknown", [reason], [], 0, None)


def headline(health):
    """One line: the severity leads, the state explains."""
    severity = health["severity"].upper()
    explained = {"ok", "unknown", NOT_APPLICABLE}
    state = "" if health["severity"] in explained else " ({0})".format(health["state"])
    messages = " ".join(reason["message"] for reason in health["reasons"][:3])
    return severity + state + (": " + messages if messages else "")


def _stale(host):
    """Why these facts are too old or too new to judge, or None."""
    if host.now_s is None:
        return None
    age_s = int(host.now_s - host.facts["taken_at_s"])
    if age_s > host.limits["facts_age_s"]:
        return "The facts are {0} s old; they are stale after {1} s.".format(
            age_s, host.limits["facts_age_s"]
        )
    if age_s < -AHEAD_LIMIT_S:
        return "The facts were taken {0} s in the future, by the host's clock.".format(-age_s)
    return None


def _checked(host):
    reasons, not_checked, run, reported = [], [], 0, set()
    for check in CHECKS:
        found, unseen = _findings(check, host)
        if unseen is None or found:
            run += 1
        if unseen is not None:
            message = _sentence(unseen.message)
            not_checked.append({"check": check.name, "message": message})
            # One cause can stop many checks; it is reported once.
            if unseen.essential and message not in reported:
                reported.add(message)
                found.append(finding("unknown", message, state="UNKNOWN"))
        reasons += [_reason(check, one) for one in found]
    states = [reason.pop("state") for reason in reasons]
    state = max(states, key=STATES.index) if states else "OK"
    severity = max((r["severity"] for r in reasons), key=SEVERITIES.index) if reasons else "ok"
    reasons.sort(key=lambda reason: -SEVERITIES.index(reason["severity"]))
    return _result(state, severity, reasons, not_checked, run, error_bound_ns(host))


def _findings(check, host):
    """Findings of a check, and why it stopped. It may have findings in both cases."""
    found = []
    try:
        for one in check.run(host):
            found.append(one)
    except Unseen as unseen:
        return found, unseen
    return found, None


def _sentence(words):
    return words[:1].upper() + words[1:].rstrip(".") + "."


def _reason(check, one):
    reason = {
        "check": check.name,
        "severity": one["severity"],
        "value": one["value"],
        "limit": one["limit"],
        "unit": check.unit,
        "message": one["message"],
        "advice": check.advice,
        "state": one["state"],
    }
    if one["clock"]:
        reason["clock"] = one["clock"]
    return reason


def _result(state, severity, reasons, not_checked, run, bound_ns):
    return {
        "state": state,
        "severity": severity,
        "reasons": reasons,
        "checks_run": run,
        "not_checked": not_checked,
        "error_bound_ns": bound_ns,
    }
