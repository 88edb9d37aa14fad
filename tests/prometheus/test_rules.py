# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules, dashboard and metrics, checked by Prometheus' own promtool and parser."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._metrics.exposition import (
    FAMILIES,
    PREFIX,
    exposition,
)
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
EXTENSIONS = ROOT / "extensions"
RULES = EXTENSIONS / "prometheus/cipu_clock.rules.yml"
DASHBOARD = EXTENSIONS / "grafana/cipu_clock.json"
NAMES = [check.name for check in CHECKS]
OURS = {PREFIX + name for name in FAMILIES}


def promtool(*arguments, text=None):
    done = subprocess.run(
        ["promtool", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=RULES.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def expressions():
    """The queries of the dashboard, with a value for each variable."""
    text = DASHBOARD.read_text().replace("$zone", ".*").replace("$instance", ".*")
    return [
        target["expr"]
        for panel in json.loads(text)["panels"]
        for one in [panel, *panel.get("panels", [])]
        for target in one.get("targets", [])
    ]


def test_rules_are_valid_and_their_tests_pass():
    promtool("check", "rules", RULES.name)
    promtool("test", "rules", "cipu_clock.rules.test.yml")


@pytest.mark.parametrize("generator", ["prometheus/generate", "grafana/generate"])
def test_committed_files_are_what_their_generators_write(generator):
    done = subprocess.run(
        [sys.executable, EXTENSIONS / generator, "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_check_that_warns_or_fails_has_its_alert():
    rules = yaml.safe_load(RULES.read_text())["groups"][1]["rules"]
    alerts = {(re.findall('"(.*)"', rule["expr"])[0], rule["labels"]["severity"]) for rule in rules}
    expected = {(check.name, "warning") for check in CHECKS if check.warns}
    assert alerts == expected | {(check.name, "critical") for check in CHECKS if check.fails}
    assert all(rule["annotations"]["runbook_url"].startswith("https://") for rule in rules)


def test_every_metric_of_rules_and_dashboard_exists():
    queries = [*expressions(), *re.findall("expr: (.*)", RULES.read_text())]
    used = {name for query in queries for name in re.findall(r"\bcipu_[a-z_]+", query)}
    assert used and used <= OURS


def test_the_queries_of_the_dashboard_are_valid(tmp_path):
    rules = [
        {"record": f"dashboard:query{n}", "expr": query} for n, query in enumerate(expressions())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_metrics_follow_the_conventions():
    facts = {
        "chrony": {"status": "ok", "tracking": {"stratum": 1, "leap": "Normal"}, "sources": []}
    }
    health = {
        "state": "OK",
        "severity": "ok",
        "error_bound_ns": 1,
        "reasons": [],
        "not_checked": [],
    }
    text = exposition(facts, health, NAMES, 1.0)
    promtool("check", "metrics", text=text)
    families = {family.name for family in text_string_to_metric_families(text)}
    assert families <= OURS and len(families) > 8
