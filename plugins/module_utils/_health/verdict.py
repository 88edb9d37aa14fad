# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a host: a pure function of its facts, those before, thresholds and the time of judging."""

from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.checks_chrony import error_bound_ns
from ansible_collections.cipu.clock.plugins.module_utils._health.findings import (
    SEVERITIES,
    STATES,
    Host,
    Unseen,
    finding,
    number,
    text,
)
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import complete

SCHEMA = 1
# A host whose clock is this far ahead of the judge's is not told apart from a lie.
AHEAD_LIMIT_S = 300


def judge(facts, previous=None, thresholds=None, now_s=None):
    """Health of one host. facts None: it did not answer."""
    host = Host(facts, previous, complete(thresholds), now_s)
    problem = _unusable(host)
    if problem is not None:
        return _unknown(problem)
    if text(host.facts, "probe", "status") is not None and not host.cipu_expected():
        return _result("NOT_APPLICABLE", "ok", [], [], 0, None)
    reasons, not_checked, run, told = [], [], 0, set()
    for check in CHECKS:
        found, unseen = _findings(check, host)
        if unseen is None or found:
            run += 1
        if unseen is not None:
            not_checked.append({"check": check.name, "message": _sentence(unseen.message)})
            message = _sentence(unseen.message)
            # One cause keeps many checks from an answer; it is told once.
            if unseen.essential and message not in told:
                told.add(message)
                found.append(finding("unknown", message, state="UNKNOWN"))
        reasons += [_reason(check, one) for one in found]
    states = [reason.pop("state") for reason in reasons]
    state = max(states, key=STATES.index) if states else "OK"
    severity = max((r["severity"] for r in reasons), key=SEVERITIES.index) if reasons else "ok"
    reasons.sort(key=lambda reason: -SEVERITIES.index(reason["severity"]))
    return _result(state, severity, reasons, not_checked, run, error_bound_ns(host))


def _unusable(host):
    """Why these facts can carry no judgement, or None."""
    if not host.facts:
        return "The host gave no facts."
    schema = number(host.facts, "schema")
    if schema != SCHEMA:
        return "The facts have schema {0}, not {1}.".format(schema, SCHEMA)
    taken_s = number(host.facts, "taken_at_s")
    if taken_s is None:
        return "The facts do not tell when they were taken."
    if host.now_s is not None:
        age_s = int(host.now_s - taken_s)
        if age_s > host.limits["facts_age_s"]:
            return "The facts are {0} s old; stale after {1} s.".format(
                age_s, host.limits["facts_age_s"]
            )
        if age_s < -AHEAD_LIMIT_S:
            return "The facts were taken {0} s from now, by the host's clock.".format(-age_s)
    return None


def _findings(check, host):
    """What a check found, and what kept it from an answer. It may have found something before."""
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
    if one.get("clock"):
        reason["clock"] = one["clock"]
    return reason


def _unknown(message):
    reason = {
        "check": "facts",
        "severity": "unknown",
        "value": None,
        "limit": None,
        "unit": None,
        "message": message,
        "advice": "See whether the host answers, and gather its facts anew.",
    }
    return _result("UNKNOWN", "unknown", [reason], [], 0, None)


def _result(state, severity, reasons, not_checked, run, bound_ns):
    return {
        "state": state,
        "severity": severity,
        "reasons": reasons,
        "checks_run": run,
        "not_checked": not_checked,
        "error_bound_ns": bound_ns,
    }
