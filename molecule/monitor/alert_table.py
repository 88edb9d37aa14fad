# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of faults and alerts: vars/alerts.yml with the faults of the scenario faults."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "extensions/prometheus/cipu_clock.rules.yml"
TABLE = yaml.safe_load((HERE / "vars/alerts.yml").read_text())
FAULTS = {
    fault["name"]: fault
    for fault in yaml.safe_load((HERE.parent / "faults/vars/faults.yml").read_text())["faults_list"]
}
# In the order of the rules.
ALERTS = [
    rule["alert"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
]
CHECKS = set(re.findall(r'check="(\w+)"', RULES.read_text()))


def alert(check: str, severity: str) -> str:
    """Name of the alert of a check; a check that cannot be made makes the host unknown."""
    if severity == "unknown":
        return "CipuClockUnknown"
    return f"CipuClock{check.title().replace('_', '')}{severity.capitalize()}"


class Case:
    """One fault on the host of its lane, and what became of it."""

    def __init__(self, fault: dict[str, Any], lane: str) -> None:
        self.fault = fault
        self.lane = lane
        self.host: str = TABLE["lane_hosts"][lane]
        self.name: str = fault["name"]
        # Name of the first fault of the chain.
        self.first = self.name
        severities: dict[str, str] = fault.get("fires", {})
        if "critical" in severities.values():
            # The host is critical then, and not unknown.
            severities = {one: found for one, found in severities.items() if found != "unknown"}
        fires = {alert(check, severity) for check, severity in severities.items()}
        self.fires = fires | set(fault.get("alerts", ()))
        may = set(fault.get("may", ()))
        # Reads of earlier runs of the collector count as reads of others.
        may |= {"read_errors"} if "measurement" in fault.get("fires", ()) else set()
        self.may = {alert(check, severity) for check in may for severity in ("warning", "critical")}
        self.limits: dict[str, Any] = fault.get("limits", {})
        self.began_s = 0.0
        # Alerts that the former fault of the chain had fired already.
        self.stood: set[str] = set()
        self.fired_s: dict[str, float] = {}
        self.cleared_s: dict[str, float] = {}
        self.others: set[str] = set()
        self.problem = ""

    def steps(self, key: str) -> list[list[str]]:
        """The commands of the lab, with the host and the function of the lane."""
        text = json.dumps(self.fault.get(key, [])).replace("node1", self.host)
        if self.lane == "cipu3":
            text = text.replace("cipu2", "cipu3").replace("00:12.0", "00:13.0")
        steps: list[list[str]] = json.loads(text)
        return steps

    def fires_after(self, name: str) -> str:
        """Seconds until the alert fired; "stands" if the former fault had fired it."""
        if name in self.stood:
            return "stands"
        return f"{self.fired_s[name]:.0f}" if name in self.fired_s else "NOT FIRED"

    def clears_after(self, name: str) -> str:
        """Seconds until the alert ended; "-" if the next fault of the chain has it, too."""
        return f"{self.cleared_s[name]:.0f}" if name in self.cleared_s else "-"

    def line(self) -> str:
        """One line about this fault, for the progress of a run."""
        times = [f"{one} {self.fires_after(one)}/{self.clears_after(one)}" for one in self.fires]
        others = f"also {', '.join(sorted(self.others))}" if self.others else ""
        parts = [self.name, ", ".join(sorted(times)), others, self.problem]
        return " | ".join(part for part in parts if part)


def chains(names: list[Any], lane: str) -> list[list[Case]]:
    """The faults of a lane, each with those that begin while it is active."""
    found: list[list[Case]] = [[]]
    for name in names:
        case = Case(FAULTS[name] if isinstance(name, str) else name, lane)
        found[-1].append(case)
        if "end" in case.fault:
            found.append([])
    for chain in found:
        for case in chain:
            case.first = chain[0].name
    return [chain for chain in found if chain]


def chosen(found: list[list[Case]], words: list[str]) -> list[list[Case]]:
    """The chains with a fault whose name contains one of the words, or all without words."""
    return [
        chain
        for chain in found
        if not words or any(word in case.name for case in chain for word in words)
    ]


def claims(chain: list[Case]) -> set[str]:
    """Alerts that the chain may fire, and thresholds that it sets."""
    found = {f"threshold {name}" for case in chain for name in case.limits}
    return found.union(*(case.fires | case.may for case in chain))


def page(cases: list[Case]) -> list[str]:
    """The table alert x fault x seconds, as lines of Markdown."""
    lines = ["| alert | fault | fires after, s | clears after, s |", "|---|---|---|---|"]
    for name in ALERTS:
        rows = [case for case in cases if name in case.fires]
        lines += [
            f"| {name} | {case.name} | {case.fires_after(name)} | {case.clears_after(name)} |"
            for case in rows
        ]
        if not rows and name in NOT_FIRED:
            lines.append(f"| {name} | none: {NOT_FIRED[name]} | | |")
    return lines


LANES = {lane: chains(names, lane) for lane, names in TABLE["lanes"].items()}
LAST = chains(TABLE["last"], "last")
NOT_FIRED: dict[str, str] = TABLE["not_fired"]
NOT_PLAYED: dict[str, str] = TABLE["not_played"]
