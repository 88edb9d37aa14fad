# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus with the committed rules, and an Alertmanager, on free ports."""

import contextlib
import json
import re
import socket
import subprocess
import textwrap
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from fleet.waiting import until

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "extensions/prometheus/cipu_clock.rules.yml"
GUIDE = ROOT / "docs/docsite/rst/guide_alerting.rst"
START_S = 120


class Times(NamedTuple):
    """Times of the rules, shorter than the committed ones, so that tests take minutes."""

    scrape_s: int = 1
    lasts_s: int = 3
    event_s: int = 15
    stale_s: int = 30
    gone_s: int = 60


class Servers(NamedTuple):
    prometheus: str
    alertmanager: str

    def values(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        query = urllib.parse.quote(query)
        found: list[dict[str, Any]] = get(f"{self.prometheus}/api/v1/query?query={query}")["data"][
            "result"
        ]
        return found

    def value(self, query: str) -> float | None:
        """The value of an instant query with one result, None without one."""
        found = self.values(query)
        return float(found[0]["value"][1]) if found else None

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that have reached Alertmanager and are not resolved."""
        found: list[dict[str, Any]] = get(f"{self.alertmanager}/api/v2/alerts")
        return found


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def wait(what: str, condition: Callable[[], bool], limit_s: float) -> float:
    """Seconds until the condition is true. A server that does not answer yet counts as false."""

    def met() -> bool:
        with contextlib.suppress(OSError, ValueError):
            return condition()
        return False

    began_s = time.monotonic()
    until(met, limit_s, what)
    return time.monotonic() - began_s


@contextlib.contextmanager
def program(log: Path, *command: str) -> Iterator[None]:
    """Run a program; fails if it ended before it was stopped."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(20)


def rules(times: Times) -> dict[str, Any]:
    """The committed rules with shorter times."""
    text = RULES.read_text()
    for committed, shorter in (
        (r"\[15m\]", f"[{times.event_s}s]"),
        (r"offset 1h\b", f"offset {times.gone_s}s"),
        (r"_timestamp_seconds > 300\b", f"_timestamp_seconds > {times.stale_s}"),
        (r"(?m)^( +for): [1-9][0-9]*m$", rf"\1: {times.lasts_s}s"),
    ):
        text, count = re.subn(committed, shorter, text)
        assert count, f"{committed} is in no rule"
    shorter_rules: dict[str, Any] = yaml.safe_load(text)
    return shorter_rules


def inhibition() -> Any:
    """The setting of Alertmanager that the guide shows."""
    block = re.search(r"( +)# alertmanager\.yml\n((?:\1.*\n)+)", GUIDE.read_text())
    assert block
    return yaml.safe_load(textwrap.dedent(block[2]))


@contextlib.contextmanager
def servers(folder: Path, targets: list[dict[str, Any]], times: Times) -> Iterator[Servers]:
    """Scrape the targets, entries of static_configs. At the end both servers are stopped."""
    prometheus, alertmanager = free_port(), free_port()
    static = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
    for name, content in (
        ("rules.yml", rules(times)),
        (
            "prometheus.yml",
            {
                "global": {
                    "scrape_interval": f"{times.scrape_s}s",
                    "scrape_timeout": f"{times.scrape_s}s",
                    "evaluation_interval": f"{times.scrape_s}s",
                },
                "rule_files": ["rules.yml"],
                "alerting": {"alertmanagers": [{"static_configs": static}]},
                # The other collectors of node_exporter take seconds in an emulated machine.
                "scrape_configs": [
                    {
                        "job_name": "node",
                        "params": {"collect[]": ["textfile"]},
                        "static_configs": targets,
                    }
                ],
            },
        ),
        (
            "alertmanager.yml",
            {"route": {"receiver": "none"}, "receivers": [{"name": "none"}], **inhibition()},
        ),
    ):
        (folder / name).write_text(yaml.safe_dump(content))
    with (
        program(
            folder / "alertmanager.log",
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        ),
        program(
            folder / "prometheus.log",
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ),
    ):
        found = Servers(f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}")
        wait("Alertmanager", lambda: found.alerts() == [], START_S)
        wait("Prometheus", lambda: found.value("sum(up)") == len(targets), START_S)
        yield found
