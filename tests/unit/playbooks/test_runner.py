# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-runner, as AWX and AAP use it: a private data directory, a fact cache, job slices."""

import json

import ansible_runner
import pytest

HOSTS = 4


def run(fleet, playbook, folder, limit=None, **variables):
    """One job of ansible-runner in a private data directory of its own."""
    folder.mkdir()
    done = ansible_runner.run(
        private_data_dir=str(folder),
        playbook=f"cipu.clock.{playbook}",
        inventory=str(fleet.inventory()),
        limit=limit,
        envvars=fleet.settings(),
        extravars=variables,
        settings={"fact_cache_type": "jsonfile", "fact_cache": "fact_cache"},
        quiet=True,
    )
    assert done.status == "successful", done.stdout.read()
    return done


@pytest.fixture
def several(fleet, finished):
    """A fleet of HOSTS hosts with the clock, and one without."""
    for number in range(HOSTS):
        fleet.add(f"db{number}").copy(finished)
    fleet.add("web", clock=False)
    return fleet


def rows(path):
    """The report's rows without the time at which each host was read."""
    return [dict(row, taken_at_s=None) for row in json.loads(path.read_text())["hosts"]]


def test_slices_of_a_job_give_the_same_report_as_one_run(several, tmp_path):
    names = sorted(several.hosts)
    whole = tmp_path / "whole.json"
    run(several, "audit", tmp_path / "whole", cipu_audit_report_path=str(whole))
    for slices in (2, 4):
        paths = []
        for number in range(slices):
            path = tmp_path / f"slice-{number}-of-{slices}.json"
            limit = ",".join(names[number::slices])
            job = tmp_path / f"job-{number}-of-{slices}"
            run(several, "audit", job, limit, cipu_audit_report_path=str(path))
            paths.append(str(path))
        merged = tmp_path / f"merged-{slices}.json"
        run(
            several,
            "report",
            tmp_path / f"report-{slices}",
            cipu_report_audits=paths,
            cipu_report_json_path=str(merged),
            cipu_report_html_path=str(tmp_path / "report.html"),
            cipu_report_csv_path="",
        )
        assert rows(merged) == sorted(rows(whole), key=lambda row: row["host"])
        fleet, expected = (json.loads(path.read_text())["fleet"] for path in (merged, whole))
        assert fleet == expected


def test_a_rollout_runs_from_a_private_data_directory(fleet, tmp_path):
    host = fleet.add("db1")
    run(fleet, "rollout", tmp_path / "job", cipu_driver_install_packages=False)
    assert host.state()["loaded"]
