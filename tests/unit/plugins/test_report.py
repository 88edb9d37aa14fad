# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report from valid, truncated and hostile reports: data, summary, charts."""

import contextlib
import csv
import io
import json
import re
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

if sys.version_info < (3, 9):
    pytest.skip(
        "the report runs on the controller, which has a newer Python", allow_module_level=True
    )

from ansible_collections.cipu.clock.plugins.plugin_utils._report import (
    charts,
    history,
    load,
    page,
    summary,
)

from .made_report import host as made

HOSTILE = "<script>alert(1)</script>{{ 7*7 }}</script>\x1b[31m"


def written(tmp_path, hosts, name="audit.json", taken_at_s=1_764_000_000, **more):
    path = tmp_path / name
    path.write_text(json.dumps({"schema": 1, "taken_at_s": taken_at_s, "hosts": hosts, **more}))
    return str(path)


def shown(tmp_path, hosts, **more):
    return load.shown(loaded(tmp_path, hosts, **more))


def loaded(tmp_path, hosts, **more):
    return load.merge([load.load(written(tmp_path, hosts, **more))])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the report .*run cipu.clock.audit first"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "has schema None"),
        ('{"schema": 2}', "has schema 2, this collection reads schema 1"),
        ('{"schema": 1, "taken_at_s": NaN, "hosts": []}', "no list of hosts or no time"),
        ('{"schema": 1, "taken_at_s": 1, "hosts": "many"}', "no list of hosts or no time"),
    ],
)
def test_an_unusable_report_is_named_with_what_to_do(tmp_path, content, message):
    path = tmp_path / "audit.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(load.ReportError, match=message):
        load.load(str(path))


def test_a_malformed_row_is_unknown_and_the_other_hosts_stay(tmp_path):
    wrong = made("liar", kernel=["6.1"], zone={"a": 1}, clock=[1], health="fine")
    endless = made("endless", error_bound_ns=1e400)
    rows = shown(tmp_path, [wrong, endless, {"host": 7}, "x", made("good")])
    by_name = {row["host"]: row for row in rows}
    assert set(by_name) == {"liar", "endless", "good"}
    assert by_name["liar"]["severity"] == "unknown"
    assert by_name["endless"]["error_bound_ns"] is None
    assert "malformed" in by_name["liar"]["reasons"][0]["message"]
    assert by_name["good"]["error_bound_ns"] == 8100


def test_a_reason_without_a_limit_or_a_unit_stays(tmp_path):
    host = made("db1", "critical")
    host["health"]["reasons"][0].update(limit=None, unit=None, value=None)
    (row,) = shown(tmp_path, [host])
    assert [reason["severity"] for reason in row["reasons"]] == ["critical"]


def test_a_lone_surrogate_is_malformed(tmp_path):
    (row,) = shown(tmp_path, [made("a", state="\ud800", kernel="6.1\ud800")])
    assert row["severity"] == "unknown" or row["kernel"] is None
    assert page.html(loaded(tmp_path, [made("a\ud800")]), None, None).encode("utf-8")


def test_the_worst_host_comes_first_and_the_newest_slice_counts(tmp_path):
    old = load.load(written(tmp_path, [made("a", "critical"), made("b")], "old", 100))
    new = load.load(written(tmp_path, [made("a"), made("c", "warning")], "new", 200))
    merged = load.merge([new, old])
    assert [row["host"] for row in load.shown(merged)] == ["c", "a", "b"]
    assert merged["taken_at_s"] == 200


def test_hosts_without_the_clock_come_last(tmp_path):
    health = dict(made()["health"], severity="not_applicable", state="NOT_APPLICABLE")
    rows = shown(tmp_path, [made("a", health=health), made("b")])
    assert [row["host"] for row in rows] == ["b", "a"]
    assert summary.severities(rows)["not_applicable"] == 1


def test_slices_merge_to_the_same_report_as_one_run(tmp_path):
    hosts = [made(f"db{number}", "warning" if number % 3 else "ok") for number in range(20)]
    whole = loaded(tmp_path, hosts)
    slices = [written(tmp_path, hosts[number::4], f"slice{number}") for number in range(4)]
    assert load.merge([load.load(path) for path in slices]) == whole


def test_percentiles_are_by_nearest_rank():
    assert [summary.percentile([4, 1, 3, 2], share) for share in (1, 50, 75, 99, 100)] == [
        1,
        2,
        3,
        4,
        4,
    ]
    assert summary.percentile([], 50) is None


def test_what_stands_out_is_counted_by_check_with_the_worst_first(tmp_path):
    hosts = [made("a", "warning"), made("b", "critical"), made("c")]
    (steal,) = summary.checks(shown(tmp_path, hosts))
    assert (steal["check"], steal["severity"], steal["count"]) == ("steal", "critical", 2)


def test_the_example_of_a_check_has_its_worst_severity(tmp_path):
    """A host that is critical for another reason comes first, and is not the example."""
    other = made("a", "critical")
    reason = other["health"]["reasons"][0]
    other["health"]["reasons"] = [
        dict(reason, check="reach"),
        dict(reason, severity="warning", message="a is busy"),
    ]
    hosts = [other, made("b", "critical", error_bound_ns=1), made("c", "warning")]
    found = {one["check"]: one for one in summary.checks(shown(tmp_path, hosts))}
    steal = found["steal"]
    assert (steal["severity"], steal["message"]) == ("critical", "steal is 30 %")
    assert (steal["count"], steal["worst_count"], steal["hosts"]) == (3, 1, ["b"])


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [0, 1]),
        (5, [0, 2, 4, 6]),
        (10, [0, 5, 10]),
        (2804, [0, 1000, 2000, 3000]),
        (5000, [0, 2000, 4000, 6000]),
    ],
)
def test_axes_of_counts_have_round_numbers(most, expected):
    assert charts.ticks(most) == expected


def test_changes_name_hosts_that_got_worse_better_new_and_gone(tmp_path):
    before = shown(tmp_path, [made("a"), made("b", "critical"), made("c"), made("d")])
    after = shown(
        tmp_path, [made("a", "warning"), made("b"), made("d", driver_version="0.3.0"), made("e")]
    )
    found = summary.changes(after, before)
    assert {kind: [one["host"] for one in change["hosts"]] for kind, change in found.items()} == {
        "worse": ["a"],
        "better": ["b"],
        "driver": ["d"],
        "kernel": [],
        "added": ["e"],
        "gone": ["c"],
    }


def test_hostile_texts_are_text_in_the_page(tmp_path):
    hosts = [made(HOSTILE, "critical", zone=HOSTILE, kernel=HOSTILE), made("=cmd|' /C calc'!A0")]
    hosts[0]["health"]["reasons"][0].update(check=HOSTILE, message=HOSTILE, advice=HOSTILE * 4)
    report = loaded(tmp_path, hosts)
    text = page.html(report, report, None)
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    assert "{{ 7*7 }}" in text and "\x1b" not in text
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert len(data["rows"]) == 2
    rows = list(csv.reader(io.StringIO(page.as_csv(load.shown(report)))))
    assert not any(
        cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row if not number(cell)
    )


def number(cell):
    try:
        return float(cell) is not None
    except ValueError:
        return False


def test_the_page_names_no_address(tmp_path):
    text = page.html(loaded(tmp_path, [made("a"), made("b", "critical")]), None, None)
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text


def test_without_pygal_the_page_says_so_and_has_the_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "HAS_PYGAL", False)
    text = page.html(loaded(tmp_path, [made("a")]), None, None)
    assert "pygal is not installed" in text
    assert "≤ 1 µs" in text and "<svg" not in text


def test_5000_hosts_stay_below_5_megabytes(tmp_path):
    hosts = [
        made(f"db-{number:05}.example.org", "warning" if number % 9 == 0 else "ok")
        for number in range(5000)
    ]
    assert len(page.html(loaded(tmp_path, hosts), None, None)) < 5_000_000


def recorded(path, hosts, taken_at_s, **more):
    rows = [load.flat(load.host(one)) for one in hosts]
    return history.append(str(path), taken_at_s, rows, **more)


def test_history_returns_what_was_recorded(tmp_path):
    path = tmp_path / "history.sqlite"
    recorded(path, [made("a"), made("b", "critical", zone=None)], 1000)
    recorded(path, [made("a", "warning")], 2000)
    fleet = history.over_time(str(path), 0)
    assert [(one["taken_at_s"], one["zone"], one["hosts"]) for one in fleet] == [
        (1000, None, 1),
        (1000, "z1", 1),
        (2000, "z1", 1),
    ]
    assert [(one["taken_at_s"], one["severity"]) for one in history.of_host(str(path), "a", 0)] == [
        (1000, "ok"),
        (2000, "warning"),
    ]


def test_old_audits_are_pruned_by_age(tmp_path):
    path = tmp_path / "history.sqlite"
    for day in range(5):
        recorded(path, [made("a")], 86400 * day)
    assert recorded(path, [made("a")], 86400 * 5, keep_days=2.5) == 3
    assert [one["taken_at_s"] for one in history.of_host(str(path), "a", 0)] == [
        86400 * day for day in (3, 4, 5)
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 400), "cannot be used"),
        (lambda path: path.write_text("no database at all" * 100), "cannot be used"),
        (lambda path: foreign(path, "PRAGMA user_version = 1"), "of another program"),
        (
            lambda path: foreign(
                path, f"PRAGMA application_id = {history.APPLICATION_ID}; PRAGMA user_version = 9"
            ),
            "schema 9",
        ),
        (lambda path: path.mkdir(), "not a regular file"),
    ],
)
def test_an_unusable_history_is_reported_and_not_changed(tmp_path, make, message):
    path = tmp_path / "history.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(load.ReportError, match=message):
        recorded(path, [made("a")], 1000)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_history_without_its_folder_or_locked_is_reported_with_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(load.ReportError, match=r"there is no folder .*/none; create it"):
        recorded(tmp_path / "none" / "history.sqlite", [made("a")], 1000)
    path = tmp_path / "history.sqlite"
    recorded(path, [made("a")], 1000)
    monkeypatch.setattr(history, "BUSY_TIMEOUT_S", 0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(load.ReportError, match=r"is locked.*another program has locked it"):
            recorded(path, [made("a")], 2000)


def foreign(path, pragmas):
    connection = sqlite3.connect(path)
    connection.executescript(f"CREATE TABLE other (a); {pragmas};")
    connection.close()


def test_a_failed_audit_adds_nothing_to_the_history(tmp_path):
    path = tmp_path / "history.sqlite"
    recorded(path, [made("a")], 1000)
    twice = [made("b"), made("b")]
    with pytest.raises(load.ReportError, match="cannot be used"):
        recorded(path, twice, 2000)
    assert [one["taken_at_s"] for one in history.over_time(str(path), 0)] == [1000]


def test_the_page_draws_the_history(tmp_path):
    if not charts.HAS_PYGAL:
        pytest.skip("pygal is not installed, so there are no charts")
    path = tmp_path / "history.sqlite"
    for number in range(5):
        recorded(path, [made("a"), made("b", "critical")], 1_764_000_000 + 300 * number)
    report = loaded(tmp_path, [made("a"), made("b", "critical")], taken_at_s=1_764_001_200)
    text = page.html(report, None, str(path))
    assert "5 audits of the last 30 days" in text
    titles = re.findall('role="img" aria-label="(.*) over time"', text)
    assert titles == [
        "Hosts that are not OK",
        "Hosts that are not OK, by zone",
        "Mean of |offset| by zone, µs",
        "Severity of the worst hosts",
        "b: offset and error bound, µs",
    ]
    assert text.count("<svg") == 2 + len(titles)
    for name in ("OK", "WARNING", "UNKNOWN", "CRITICAL"):
        assert f">{name}</text>" in text


def test_two_audits_at_once_are_both_in_the_history(tmp_path):
    """Also where they are the first two, which create the file."""
    path, rounds = tmp_path / "history.sqlite", 10
    start = threading.Barrier(2)

    def audits(name):
        start.wait(20)
        for number in range(rounds):
            recorded(path, [made(name), made("both")], 1000 + number)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(audits, name) for name in "ab"]:
            done.result(60)
    assert len(history.of_host(str(path), "a", 0)) == rounds
    assert len(history.of_host(str(path), "b", 0)) == rounds
    assert len(history.of_host(str(path), "both", 0)) == 2 * rounds
