# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of faults and alerts: vars/alerts.yml with the faults of the scenario faults."""

import json
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
ALERTS = {
    rule["alert"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}


def alert(check: str, severity: str) -> str:
    """Name of the alert of a check; a check that cannot be made makes the host unknown."""
    if severity == "unknown":
        return "CipuClockUnknown"
    return f"CipuClock{check.title().replace('_', '')}{severity.capitalize()}"


class Case:
    """One fault, and what became of it."""

    def __init__(self, fault: dict[str, Any], lane: str) -> None:
        self.fault = fault
        self.lane = lane
        self.name: str = fault["name"]
        fires = {alert(check, severity) for check, severity in fault.get("fires", {}).items()}
        self.fires = fires | set(fault.get("alerts", ()))
        may = set(fault.get("may", ()))
        # Reads of earlier runs of the collector count as reads of others.
        may |= {"read_errors"} if "measurement" in fault.get("fires", ()) else set()
        self.may = {alert(check, severity) for check in may for severity in ("warning", "critical")}
        self.fired_s: dict[str, float] = {}
        self.ended_s: float | None = None
        self.others: set[str] = set()
        self.problem = ""

    def steps(self, key: str) -> list[list[str]]:
        """The commands of the lab, with cipu3 instead of cipu2 in its lane."""
        text = json.dumps(self.fault.get(key, []))
        if self.lane == "cipu3":
            text = text.replace("cipu2", "cipu3").replace("00:12.0", "00:13.0")
        steps: list[list[str]] = json.loads(text)
        return steps

    def line(self) -> str:
        fired = ", ".join(f"{name} {self.fired_s.get(name, -1):.0f}" for name in sorted(self.fires))
        ended = "-" if self.ended_s is None else f"{self.ended_s:.0f}"
        others = ", ".join(sorted(self.others)) or "none"
        return " | ".join(
            [self.name, fired, ended, others, *([self.problem] if self.problem else [])]
        )


def chains(names: list[Any], lane: str) -> list[list[Case]]:
    """The faults of a lane, each with those that begin while it is active."""
    found: list[list[Case]] = [[]]
    for name in names:
        case = Case(FAULTS[name] if isinstance(name, str) else name, lane)
        found[-1].append(case)
        if "end" in case.fault:
            found.append([])
    return [chain for chain in found if chain]


def claims(chain: list[Case]) -> set[str]:
    """Alerts that the chain may fire, and thresholds that it sets."""
    found = {f"threshold {name}" for case in chain for name in case.fault.get("limits", ())}
    return found.union(*(case.fires | case.may for case in chain))


LANES = {lane: chains(names, lane) for lane, names in TABLE["lanes"].items()}
LAST = chains(TABLE["last"], "last")
NOT_FIRED: dict[str, str] = TABLE["not_fired"]
NOT_PLAYED: dict[str, str] = TABLE["not_played"]
