# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of extensions/pull, without a VM: the result of a run as metrics, and the units."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PULL = ROOT / "extensions/pull"
SCRIPT = PULL / "cipu-clock-pull-result"


def write(folder, result):
    variables = {"PATH": os.environ["PATH"], "CIPU_PULL_METRICS": str(folder)}
    if result is not None:
        variables["SERVICE_RESULT"] = result
    subprocess.run([str(SCRIPT)], env=variables, check=True)
    assert [path.name for path in folder.iterdir()] == ["cipu_clock_pull.prom"]
    return (folder / "cipu_clock_pull.prom").read_text()


def values(text):
    return dict(line.split() for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(
    ("result", "success"),
    [("success", "1"), ("exit-code", "0"), ("timeout", "0"), ("signal", "0"), (None, "0")],
)
def test_the_result_of_a_run_is_a_metric(tmp_path, result, success):
    began_s = int(time.time())
    found = values(write(tmp_path / "metrics", result))
    assert found["cipu_clock_pull_success"] == success
    assert began_s <= int(found["cipu_clock_pull_end_time_seconds"]) <= time.time()


def test_a_later_result_replaces_the_former(tmp_path):
    write(tmp_path / "metrics", "success")
    assert values(write(tmp_path / "metrics", "timeout"))["cipu_clock_pull_success"] == "0"


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_the_metrics(tmp_path):
    text = write(tmp_path / "metrics", "success")
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path):
    for unit in ("cipu-clock-pull.service", "cipu-clock-pull.timer"):
        text = (PULL / unit).read_text()
        # The script is not installed on this machine.
        (tmp_path / unit).write_text(
            text.replace("/usr/local/sbin/cipu-clock-pull-result", str(SCRIPT))
        )
    command = ["systemd-analyze", "verify", *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_the_playbook_imports_the_collection_and_reports_where_the_service_may_write():
    plays = yaml.safe_load((PULL / "repository/local.yml").read_text())
    imported = [play["ansible.builtin.import_playbook"] for play in plays]
    assert imported == ["cipu.clock.rollout", "cipu.clock.audit"]
    service = (PULL / "cipu-clock-pull.service").read_text()
    (folder,) = [
        line.split("=")[1] for line in service.splitlines() if line.startswith("StateDirectory=")
    ]
    assert plays[1]["vars"]["cipu_audit_report_path"].startswith(f"/var/lib/{folder}/")
