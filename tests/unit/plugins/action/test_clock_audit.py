# SPDX-License-Identifier: GPL-3.0-or-later
"""clock_audit: rows by the inventory's names, the file it writes, and when it fails."""

import json
import os
import stat
from pathlib import Path

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleActionFail
from ansible_collections.cipu.clock.plugins.action import clock_audit
from ansible_collections.cipu.clock.plugins.module_utils._health.row import row
from ansible_collections.cipu.clock.plugins.plugin_utils import collection

from ..made import fresh
from .acting import Hostvars, run_action

RESULT = "cipu_audit_result"
REFUSAL = r"Cannot write the report: (cannot write /|/.* not a regular file)"


def registered(**changes):
    """What clock_health returns for a host, under another name than the inventory's."""
    judged = row("other", fresh(**changes))
    health = judged.pop("health")
    return dict(judged, msg="", changed=False, inventory_hostname="other", **health)


def run(hostvars, facts=None, **arguments):
    arguments = dict({"result": RESULT, "show": False}, **arguments)
    variables = {"hostvars": Hostvars(hostvars), "ansible_play_hosts_all": sorted(hostvars)}
    variables["ansible_facts"] = facts or {}
    kind = clock_audit.ActionModule
    return run_action(kind, "cipu.clock.clock_audit", arguments, variables)


def rows_of(hostvars, tmp_path):
    path = str(tmp_path / "report.json")
    run(hostvars, report_path=path)
    with open(path) as report:
        return {one["host"]: one for one in json.load(report)["hosts"]}


def test_rows_have_the_names_of_the_inventory(tmp_path):
    hostvars = {
        "a": {RESULT: registered(), "inventory_hostname": "b"},
        "b": {RESULT: registered(clocks__0__cipu__sync__busy=True), "inventory_hostname": "a"},
    }
    rows = rows_of(hostvars, tmp_path)
    assert {name: one["health"]["severity"] for name, one in rows.items()} == {
        "a": "ok",
        "b": "warning",
    }


@pytest.mark.parametrize(
    "variables, words",
    [
        ({}, "The host was not audited."),
        ({RESULT: "text"}, "The host was not audited."),
        ({RESULT: {"unreachable": True, "msg": "Task failed: no route"}}, "unreachable: no route"),
        ({RESULT: {"failed": True, "msg": "timed \x1b[31mout"}}, "failed: timed \\x1b[31mout"),
        ({RESULT: {"failed": True}}, "failed: no message"),
        ({"ansible_facts": {RESULT: 1}, RESULT: registered()}, "The host returned a fact named"),
    ],
)
def test_a_host_without_a_result_is_unknown(tmp_path, variables, words):
    rows = rows_of(
        {"a": dict(variables, cipu_audit_zone="z"), "b": {RESULT: registered()}}, tmp_path
    )
    assert rows["b"]["health"]["severity"] == "ok"
    assert rows["a"]["health"]["severity"] == "unknown"
    assert words in rows["a"]["health"]["reasons"][0]["message"]


@pytest.mark.parametrize("zone, expected", [("z1", "z1"), ("{{ x }}", None), (7, None)])
def test_the_zone_of_an_unreachable_host_is_never_templated(tmp_path, zone, expected):
    variables = {RESULT: {"unreachable": True}, "cipu_audit_zone": zone}
    assert rows_of({"a": variables}, tmp_path)["a"]["zone"] == expected


@pytest.mark.parametrize(
    "fail_on, severity, failed",
    [
        ("never", "critical", False),
        ("critical", "critical", True),
        ("critical", "unknown", True),
        ("critical", "warning", False),
        ("warning", "warning", True),
        ("warning", "ok", False),
    ],
)
def test_fail_on(fail_on, severity, failed):
    changes = {
        "critical": {"clocks__0__cipu__sync__clock_abnormal": True},
        "warning": {"clocks__0__cipu__sync__busy": True},
        "unknown": {"clocks": "abc"},
        "ok": {},
    }
    result = run({"a": {RESULT: registered(**changes[severity])}}, fail_on=fail_on)
    assert result.get("failed", False) is failed
    assert ("a" in result.get("msg", "")) is failed


def test_many_failing_hosts_are_counted():
    hosts = {"h{0:02}".format(i): {} for i in range(30)}
    message = run(hosts, fail_on="critical")["msg"]
    assert "30 of the hosts are" in message
    assert message.endswith("h09 and 20 more")


def test_the_mode_of_a_report_is_kept(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o600)
    rows_of({"a": {}}, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["schema"] == 1


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder", "device", "absent"])
def test_anything_but_a_regular_file_is_refused(tmp_path, kind):
    path = tmp_path / "report.json"
    if kind == "symlink":
        path.symlink_to(tmp_path / "other")
    elif kind == "fifo":
        os.mkfifo(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = "/dev/null"
    else:
        path = tmp_path / "no-folder" / "report.json"
    before = os.path.lexists(str(path)) and os.lstat(str(path))
    with pytest.raises(AnsibleActionFail, match=REFUSAL):
        run({"a": {}}, report_path=str(path))
    assert (os.path.lexists(str(path)) and os.lstat(str(path))) == before
    assert [name for name in os.listdir(str(tmp_path)) if name.startswith(".cipu")] == []


@pytest.mark.parametrize("evil", ["evil", "~/evil"])
def test_a_fact_cannot_choose_where_the_report_goes(tmp_path, monkeypatch, evil):
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    result = run({"a": {}}, {"cipu_audit_report_path": evil}, report_path=evil)
    assert result["report_path"] == str(tmp_path / "cipu-clock-audit.json")
    assert os.listdir(str(tmp_path)) == ["cipu-clock-audit.json"]
    # An option given by -e differs from the fact, and is kept.
    other = str(tmp_path / "other.json")
    assert (
        run({"a": {}}, {"cipu_audit_report_path": evil}, report_path=other)["report_path"] == other
    )


def test_the_width_is_the_terminals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "77")
    assert clock_audit.terminal_width(None) == 77
    monkeypatch.delenv("COLUMNS")
    with open(os.devnull) as no_terminal:
        assert clock_audit.terminal_width(no_terminal) == 120
    master, slave = os.openpty()
    try:
        with open(slave, "wb", buffering=0, closefd=False) as terminal:
            assert clock_audit.terminal_width(terminal) > 0
    finally:
        os.close(master)
        os.close(slave)


def test_the_version_is_the_collections():
    """A checkout has galaxy.yml; the artifact, over which ansible-test runs, has MANIFEST.json."""
    manifest = Path(collection.COLLECTION, "MANIFEST.json")
    if manifest.exists():
        declared = json.loads(manifest.read_text())["collection_info"]["version"]
        assert collection.version() == declared
    else:
        galaxy = Path(collection.COLLECTION, "galaxy.yml").read_text()
        assert "\nversion: {0}\n".format(collection.version()) in galaxy


def test_the_page_compares_with_the_report_that_it_replaces(tmp_path):
    paths = {
        "report_path": str(tmp_path / "audit.json"),
        "html_path": str(tmp_path / "audit.html"),
        "history_path": str(tmp_path / "history.sqlite"),
    }
    run({"a": {}}, **paths)
    assert "What changed since" not in (tmp_path / "audit.html").read_text()
    run({"a": {}, "b": {}}, **paths)
    text = (tmp_path / "audit.html").read_text()
    assert "What changed since" in text and "New hosts (1)" in text
    assert "audits of the last 30 days" in text


def test_a_former_report_that_cannot_be_read_is_replaced(tmp_path):
    path = tmp_path / "audit.json"
    path.write_text("{")
    run({"a": {}}, report_path=str(path), html_path=str(tmp_path / "audit.html"))
    assert json.loads(path.read_text())["schema"] == 1
