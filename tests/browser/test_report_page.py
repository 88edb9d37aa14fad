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
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from unit.plugins.made_report import host

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
# On a machine that is busy with other work.
BUSY_LIMIT_S = 10.0
SIZE_LIMIT = 5_000_000
HOSTILE = '<img src=x onerror=alert(1)>"><script>alert(1)</script>{{ 7*7 }}'
SEVERITIES = ["critical", "unknown", "warning", "ok"]


def row(number: int, severity: str, name: str | None = None) -> dict[str, Any]:
    """A row of a report. Zones, checks and values differ from host to host."""
    found = host(name or f"db-{number:05}.example.org", severity, zone=f"zone-{number % 5}")
    found["clock"]["offset_ns"] = random.randint(-4000, 4000)
    found["error_bound_ns"] = random.randint(4000, 40000)
    for reason in found["health"]["reasons"]:
        check = ["steal", "reach", "sync_stat"][number % 3]
        reason.update(check=check, message=f"{check} of {number}", advice="Act.", value=number)
    return found


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
    """The limit is for the CPU time of the page's thread, which other programs do not change."""
    size = pages["large"].stat().st_size
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    began_s = time.monotonic()
    page.goto(pages["large"].as_uri())
    page.get_by_label("Search").fill("db-04999")
    page.wait_for_function("document.querySelectorAll('#table tbody th').length === 1")
    seconds = time.monotonic() - began_s
    metrics = session.send("Performance.getMetrics")["metrics"]
    cpu_s = {one["name"]: one["value"] for one in metrics}["TaskDuration"]
    print(
        f"5,000 hosts: {size} bytes, interactive after {seconds:.2f} s, {cpu_s:.2f} s of CPU",
        file=sys.stderr,
    )
    assert hosts(page) == ["db-04999.example.org"]
    assert size < SIZE_LIMIT
    assert 0.01 < cpu_s < INTERACTIVE_LIMIT_S
    assert seconds < BUSY_LIMIT_S


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


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_no_barrier(
    browser: Browser, pages: dict[str, Path], scheme: Any, width: int
) -> None:
    """Names, roles, landmarks, contrast. axe-core is a script, so the page's policy is off."""
    viewport: Any = {"width": width, "height": 900}
    context = browser.new_context(color_scheme=scheme, viewport=viewport, bypass_csp=True)
    page = context.new_page()
    page.goto(pages["small"].as_uri())
    page.locator("#table tbody th button").first.click()
    violations = Axe().run(page).response["violations"]
    context.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def test_the_keyboard_reaches_the_hosts_in_the_order_of_the_page(
    page: Page, pages: dict[str, Path]
) -> None:
    page.goto(pages["small"].as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    host = page.locator("#table tbody th button").first
    page.evaluate("window.before = document.querySelector('.skip')")
    for _press in range(40):
        page.keyboard.press("Tab")
        # 4: it follows the former element in the document, so that none is reached out of turn.
        order = "window.before.compareDocumentPosition(document.activeElement)"
        assert page.evaluate(order) & 4
        page.evaluate("window.before = document.activeElement")
        if host.evaluate("e => e === document.activeElement"):
            return
    pytest.fail("the first host is not within 40 presses of the Tab key")


def test_every_control_has_a_name(page: Page, pages: dict[str, Path]) -> None:
    page.goto(pages["small"].as_uri())
    for role in ("button", "combobox", "searchbox", "region"):
        for element in page.get_by_role(role).all():  # type: ignore[arg-type]
            name = element.evaluate(
                "e => e.ariaLabel || e.innerText || (e.labels && e.labels[0].innerText) || ''"
            )
            assert name.strip(), element.evaluate("e => e.outerHTML.slice(0, 200)")


def test_print_shows_every_host_with_a_finding_and_its_reasons(
    page: Page, pages: dict[str, Path]
) -> None:
    """And not the controls. The table on the screen has pages of 100 hosts, the paper has none."""
    page.goto(pages["large"].as_uri())
    assert page.locator("#table tbody th").count() == 100
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".filters").is_hidden()
    assert page.locator("#h-out").is_visible()
    assert page.locator("#table tbody th").count() == 556
    assert page.locator("#table .detail strong").count() == 556
    assert (
        page.locator("#unprinted").inner_text() == "Hosts without a finding are not printed: 4444."
    )
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#table tbody th").count() == 100


@pytest.fixture
def phone(browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    """The small report on a screen of the width of a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(pages["small"].as_uri())
    yield page
    context.close()


def test_a_phone_shows_what_stands_out_with_the_advice_and_whole_words(phone: Page) -> None:
    first = phone.locator(".wide tbody tr").first
    assert first.get_by_text("Act.").is_visible()
    assert "3 hosts" in first.inner_text()
    for word in phone.locator(".wide .link, #table tbody th .link").all():
        assert word.evaluate("e => e.getClientRects().length") == 1


def test_a_phone_shows_the_other_values_in_the_details(phone: Page) -> None:
    table = phone.locator("#table")
    assert table.evaluate("e => e.scrollWidth <= e.parentElement.clientWidth")
    assert phone.locator("td.c-kernel").first.is_hidden()
    phone.locator("#table tbody th button").first.click()
    assert "Kernel: 6.1.0" in phone.locator("#table .detail").inner_text()
