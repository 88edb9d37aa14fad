# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report in a real browser: headless Chromium, driven by Playwright.

The pages are written by the module fleet_report through ansible-playbook, as a user does it.
"""

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# No sandbox, since tests run as root; the others keep Chromium from looking for its maker's hosts.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
INTERACTIVE_LIMIT_S = 2.0
SIZE_LIMIT = 5_000_000
HOSTILE = '<img src=x onerror=alert(1)>"><script>alert(1)</script>{{ 7*7 }}'
SEVERITIES = ["critical", "unknown", "warning", "ok"]


def row(number: int, severity: str, name: str | None = None) -> dict[str, Any]:
    """A row of a report, as docs/schema/report-v1.json describes it."""
    reasons = []
    if severity != "ok":
        check = ["steal", "reach", "sync_stat"][number % 3]
        reasons = [
            {
                "check": check,
                "severity": severity,
                "message": f"{check} of {number}",
                "advice": "Act.",
                "value": number,
                "limit": 2,
                "unit": "percent",
            }
        ]
    return {
        "host": name or f"db-{number:05}.example.org",
        "zone": f"zone-{number % 5}",
        "taken_at_s": 1_764_000_000,
        "kernel": "6.1.0-40-amd64",
        "driver_version": "0.2.0",
        "clock": {
            "state": "ok",
            "node": "/dev/ptp0",
            "pci_address": "0000:00:10.0",
            "conditions": [],
            "offset_ns": random.randint(-4000, 4000),
            "uncertainty_ns": 900,
        },
        "error_bound_ns": random.randint(4000, 40000),
        "chrony_source": "CIPU",
        "health": {
            "state": "OK" if severity == "ok" else "DEGRADED",
            "severity": severity,
            "reasons": reasons,
            "checks_run": 23,
            "not_checked": [],
        },
    }


def write_page(folder: Path, hosts: list[dict[str, Any]], name: str) -> Path:
    audit, html = folder / f"{name}.json", folder / f"{name}.html"
    audit.write_text(json.dumps({"schema": 1, "taken_at_s": 1_764_000_000, "hosts": hosts}))
    variables = {
        "cipu_report_audits": [str(audit)],
        "cipu_report_html_path": str(html),
        "cipu_report_csv_path": "",
    }
    command = ["ansible-playbook", "-i", "localhost,", "cipu.clock.report"]
    done = subprocess.run(
        [*command, "-e", json.dumps(variables)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return html


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    random.seed(1)
    folder = tmp_path_factory.mktemp("pages")
    large = [row(number, "warning" if number % 9 == 0 else "ok") for number in range(5000)]
    small = [row(number, SEVERITIES[number % 4]) for number in range(10)]
    hostile = row(1, "critical", HOSTILE)
    hostile["health"]["reasons"][0].update(check=HOSTILE[:64], message=HOSTILE, advice=HOSTILE)
    hostile.update(zone=HOSTILE, kernel=HOSTILE + "\x1b[31m", driver_version=None)
    return {
        name: write_page(folder, hosts, name)
        for name, hosts in (("large", large), ("small", small), ("hostile", [hostile, *small]))
    }


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing; run make setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails its test on any request but its own file, and on any console message."""
    problems: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: problems.append(request.url))
    yield page
    problems = [
        one for one in problems if not re.match(r"file://.*/(large|small|hostile)\.html", one)
    ]
    page.close()
    assert problems == []


def hosts(page: Page) -> list[str]:
    return page.locator("#table tbody th").all_inner_texts()


def test_5000_hosts_are_small_and_interactive_in_time(page: Page, pages: dict[str, Path]) -> None:
    size = pages["large"].stat().st_size
    began_s = time.monotonic()
    page.goto(pages["large"].as_uri())
    page.get_by_label("Search").fill("db-04999")
    page.wait_for_function("document.querySelectorAll('#table tbody th').length === 1")
    seconds = time.monotonic() - began_s
    print(f"5,000 hosts: {size} bytes, interactive after {seconds:.2f} s", file=sys.stderr)
    assert hosts(page) == ["db-04999.example.org"]
    assert size < SIZE_LIMIT
    assert seconds < INTERACTIVE_LIMIT_S


def test_the_worst_hosts_come_first_and_columns_sort(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["small"].as_uri())
    badges = page.locator("#table tbody .badge").all_inner_texts()
    assert badges == sorted(badges, key=[one.upper() for one in SEVERITIES].index)
    page.locator("button.sort", has_text="Host").click()
    assert hosts(page) == sorted(hosts(page))
    page.locator("button.sort", has_text="Host").click()
    assert hosts(page) == sorted(hosts(page), reverse=True)


def test_filters_and_details_work_by_keyboard(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["small"].as_uri())
    page.locator("select[name=severity]").select_option("critical")
    assert page.locator("#status").inner_text() == "3 of 10 hosts"
    first = page.locator("#table tbody th button").first
    first.focus()
    page.keyboard.press("Enter")
    assert first.get_attribute("aria-expanded") == "true"
    assert "Act." in page.locator("#table .detail").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#table .detail").count() == 0


def test_a_card_filters_by_severity(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["small"].as_uri())
    card = page.locator("button.card.warning")
    card.click()
    assert card.get_attribute("aria-pressed") == "true"
    assert page.locator("#status").inner_text() == "2 of 10 hosts"


def test_hostile_texts_are_shown_as_text(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["hostile"].as_uri())
    shown = hosts(page)[0]
    assert "<script>alert(1)</script>{{ 7*7 }}" in shown
    assert page.locator("img, #table script").count() == 0
    page.locator("#table tbody th button").first.click()
    assert "<img src=x" in page.locator("#table .detail").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(
    browser: Browser, pages: dict[str, Path], scheme: Any, width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(pages["small"].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 23, 30)")
    context.close()


def test_every_control_has_a_name(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["small"].as_uri())
    for role in ("button", "combobox", "searchbox", "region"):
        for element in page.get_by_role(role).all():  # type: ignore[arg-type]
            name = element.evaluate(
                "e => e.ariaLabel || e.innerText || (e.labels && e.labels[0].innerText) || ''"
            )
            assert name.strip(), element.evaluate("e => e.outerHTML.slice(0, 200)")


def test_print_shows_the_summary_and_hides_the_controls(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["small"].as_uri())
    page.emulate_media(media="print")
    assert page.locator(".filters").is_hidden()
    assert page.locator("#h-out").is_visible()
