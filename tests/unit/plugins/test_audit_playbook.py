# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook audit, run by ansible-playbook on local hosts, ten of fifty of which are hostile.

The Python interpreter of most hosts is a script that prints a reply instead of running the module,
as a compromised host could. Some hosts run the real module with a clockprobe of the test.
"""

import copy
import json
import os
import subprocess
import sys

import pytest

from .made import fresh, report

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PLAYBOOK = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
RUN_LIMIT_S = 120
HOST_LIMIT_S = 10

pytestmark = [
    pytest.mark.skipif(not os.path.exists(PLAYBOOK), reason="runs where ansible-core is installed"),
    pytest.mark.skipif(sys.version_info < (3, 8), reason="the controller runs Python 3.11"),
]


def reply(record, **others):
    return json.dumps(dict({"changed": False, "ansible_facts": {"cipu_clock": record}}, **others))


def nested(levels):
    return '{"ansible_facts": {"cipu_clock": %s1%s}}' % ('{"a":' * levels, "}" * levels)


def spoofing():
    """No facts of a clock, but keys that Ansible itself acts on, and names of the audit."""
    spoofed = {"severity": "ok", "state": "OK", "clock": {"state": "ok"}}
    names = ("cipu_run_result", "cipu_audit_report_path", "inventory_hostname", "cipu_audit_zone")
    given = dict.fromkeys(names, spoofed)
    return json.dumps(
        {
            "ansible_facts": given,
            "add_host": {"host_name": "added", "groups": ["all"], "host_vars": {}},
            "unreachable": True,
            "skipped": True,
        }
    )


# What each hostile host replies.
HOSTILE = {
    "types": lambda: reply(fresh(clocks="abc", kernel="6.1", functions="many", chrony=[])),
    "infinity": lambda: reply(
        fresh(clocks__0__measurement__offset_ns=float("inf"), taken_at_s=float("nan"))
    ),
    "renamed": lambda: reply(fresh(inventory_hostname="ok-0")),
    "surrogate": lambda: reply(fresh(clocks__0__name="\ud800")),
    "oversized": lambda: reply(fresh(clocks__0__name="x" * 2000000)),
    "nested": lambda: nested(20000),
    "absurd": lambda: reply(fresh(taken_at_s=-5, steal={"stolen_ticks": 10**60})),
    "spoofing": spoofing,
    "garbage": lambda: "\x1b[2J\x1b[31mno JSON\x07",
}
# Replies of honest hosts, with severities that differ.
HONEST = {
    "ok": ("ok", lambda: reply(fresh())),
    "abnormal": (
        "critical",
        lambda: reply(fresh(clocks__0__cipu__sync__clock_abnormal=True)),
    ),
    "missed": ("warning", lambda: reply(fresh(chrony__sources__0__reach=0o201))),
    "template": (
        "ok",
        lambda: reply(fresh(kernel__running="{{ lookup('pipe', 'touch templated') }}")),
    ),
    "escapes": (
        "ok",
        lambda: reply(
            fresh(
                driver__loaded_srcversion="X",
                kernel__running="\x1b[31mred",
                driver__installed_srcversion="X",
            )
        ),
    ),
    "none": (
        "not_applicable",
        lambda: reply(fresh(clocks=[], functions=[], chrony={"status": "absent"})),
    ),
}
COUNTS = {"ok": 25, "abnormal": 4, "missed": 4, "template": 1, "escapes": 1, "none": 3}


class Fleet:
    def __init__(self, folder):
        self.folder = folder
        self.hosts = {}
        collections = folder / "collections/ansible_collections/cipu"
        collections.mkdir(parents=True)
        (collections / "clock").symlink_to(ROOT)
        (folder / "ansible.cfg").write_text("")
        self.report_path = folder / "report.json"

    def script(self, name, text):
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return str(path)

    def replies(self, name, text):
        (self.folder / (name + ".json")).write_bytes(text.encode("utf-8", "surrogatepass"))
        shell = "exec cat '{0}/{1}.json'\n".format(self.folder, name)
        self.hosts[name] = {"ansible_python_interpreter": self.script("python-" + name, shell)}

    def probes(self, name, clockprobe):
        """A host that runs the real module, with this output of clockprobe."""
        (self.folder / (name + ".json")).write_text(clockprobe)
        shell = "exec cat '{0}/{1}.json'\n".format(self.folder, name)
        self.hosts[name] = {
            "ansible_python_interpreter": sys.executable,
            "cipu_probe_path": self.script("clockprobe-" + name, shell),
        }

    def run(self, *arguments, **environment):
        inventory = {
            "all": {
                "hosts": {
                    name: dict({"ansible_connection": "local"}, **variables)
                    for name, variables in self.hosts.items()
                }
            }
        }
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("ANSIBLE_") and key != "COLUMNS"
        }
        env.update(
            ANSIBLE_COLLECTIONS_PATH=str(self.folder / "collections"),
            ANSIBLE_LOCAL_TEMP=str(self.folder / "local"),
            ANSIBLE_REMOTE_TEMP=str(self.folder / "remote"),
            ANSIBLE_CONFIG=str(self.folder / "ansible.cfg"),
            ANSIBLE_FORKS="8",
            LC_ALL="C.UTF-8",
            PYTHONPATH="",
            PWD=str(self.folder),
        )
        env.update(environment)
        command = [sys.executable, PLAYBOOK, "-i", str(self.folder / "inventory.json")]
        command += [os.path.join(ROOT, "playbooks/audit.yml")]
        command += ["-e", "cipu_audit_report_path={0}".format(self.report_path), *arguments]
        return subprocess.run(
            command,
            cwd=str(self.folder),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=RUN_LIMIT_S,
            universal_newlines=True,
            check=False,
        )

    def report(self):
        text = self.report_path.read_text()
        return json.loads(text, parse_constant=pytest.fail)

    def healths(self):
        return {row["host"]: row["health"] for row in self.report()["hosts"]}


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


def table_of(output):
    return output[output.index("SEVERITY ") :].split("\nReport: ")[0].splitlines()


def test_ten_hostile_hosts_of_fifty_do_not_affect_the_others(fleet):
    expected = {}
    for kind, count in COUNTS.items():
        for number in range(count):
            name = "{0}-{1}".format(kind, number)
            expected[name] = HONEST[kind][0]
            fleet.replies(name, HONEST[kind][1]())
    for name, text in HOSTILE.items():
        fleet.replies(name, text())
    fleet.hosts["hangs"] = {
        "ansible_python_interpreter": fleet.script("python-hangs", "exec sleep 40\n")
    }
    measured = report()
    fleet.probes("measured-0", json.dumps(measured))
    broken = copy.deepcopy(measured)
    broken["clocks"][0]["name"] = "\ud800"
    fleet.probes("measured-1", json.dumps(broken))
    assert len(fleet.hosts) == 50

    # An inventory and an environment that must not change the result.
    done = fleet.run("-e", "cipu_audit_timeout_s={0}".format(HOST_LIMIT_S), ANSIBLE_STRATEGY="free")
    assert done.returncode == 0, done.stdout[-4000:]
    rows = {row["host"]: row for row in fleet.report()["hosts"]}
    assert set(rows) == set(fleet.hosts)
    severities = {name: row["health"]["severity"] for name, row in rows.items()}
    assert {name: severities[name] for name in expected} == expected
    first = {
        name: row["health"]["reasons"][0]["message"]
        for name, row in rows.items()
        if row["health"]["reasons"]
    }
    for name in [*HOSTILE, "hangs"]:
        assert (name, severities[name]) == (name, "unknown")
        assert rows[name]["health"]["reasons"][0]["check"] == "facts"
    for name in ("types", "infinity", "renamed", "surrogate", "oversized", "nested", "absurd"):
        assert first[name].startswith("The facts are malformed: "), first[name]
    for name in ("spoofing", "garbage"):
        assert first[name].startswith("clock_facts failed: "), first[name]
    assert first["hangs"].startswith("The audit of the host failed: "), first["hangs"]

    # The real module: a measurement, and a report of clockprobe that is not valid Unicode.
    assert rows["measured-0"]["clock"]["offset_ns"] == -1250
    assert rows["measured-0"]["clock"]["state"] == "ok"
    assert "its report is not valid Unicode" not in str(rows["measured-0"]["health"])
    assert rows["measured-1"]["clock"]["offset_ns"] is None
    assert severities["measured-1"] in {"unknown", "critical"}
    assert "clockprobe is failed" in str(rows["measured-1"]["health"])

    # Values are data: not templated, and shown as text.
    assert rows["template-0"]["kernel"] == "{{ lookup('pipe', 'touch templated') }}"
    assert not (fleet.folder / "templated").exists()
    lines = table_of(done.stdout)
    assert all(line.isprintable() and len(line) <= 120 for line in lines)
    assert lines[-1].startswith("50 hosts: ")
    assert lines[1].startswith("CRITICAL")
    assert "\x1b" not in done.stdout.split("Print the table")[1]


def test_check_mode_limit_unreachable_hosts_and_become(fleet):
    """The controller runs nothing by sudo, and needs no localhost in the play."""
    log = fleet.folder / "sudo.log"
    sudo = fleet.script("sudo", "echo run >> '{0}'\nexit 1\n".format(log))
    for name in ("a", "b"):
        fleet.hosts[name] = {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": 1,
            "ansible_become": True,
            "ansible_become_exe": sudo,
            "cipu_audit_zone": "z1",
        }
    fleet.replies("c", reply(fresh()))
    done = fleet.run("--check", "--limit", "a,c")
    assert done.returncode == 0, done.stdout[-4000:]
    assert not log.exists()
    rows = {row["host"]: row for row in fleet.report()["hosts"]}
    assert set(rows) == {"a", "c"}
    reason = rows["a"]["health"]["reasons"][0]["message"]
    assert reason.startswith("The host is unreachable: ")
    assert rows["a"]["zone"] == "z1"
    assert rows["c"]["health"]["severity"] == "ok"


def test_a_zone_that_cannot_be_calculated_concerns_its_host_alone(fleet):
    fleet.replies("a", reply(fresh()))
    fleet.replies("b", reply(fresh()))
    done = fleet.run(
        "-e",
        json.dumps({"cipu_audit_zone": "{{ zones[inventory_hostname] }}", "zones": {"b": "z"}}),
    )
    assert done.returncode == 0, done.stdout[-4000:]
    healths = fleet.healths()
    assert healths["b"]["severity"] == "ok"
    assert healths["a"]["severity"] == "unknown"


def test_fail_on_and_a_report_path_that_is_no_file(fleet):
    fleet.replies("a", reply(fresh(clocks__0__cipu__sync__busy=True)))
    done = fleet.run("-e", "cipu_audit_fail_on=warning", "-e", "cipu_audit_table=false")
    assert done.returncode == 2
    assert "SEVERITY" not in done.stdout
    assert "cipu_audit_fail_on is warning" in done.stdout
    fleet.report_path.unlink()
    fleet.report_path.symlink_to(fleet.folder / "elsewhere")
    done = fleet.run()
    assert done.returncode == 2
    assert "is a symbolic link, not a regular file" in " ".join(done.stdout.split())
    assert not (fleet.folder / "elsewhere").exists()


@pytest.mark.parametrize(
    "variable",
    ["cipu_audit_fail_on=always", "cipu_audit_table=maybe", "cipu_audit_reprot_path=typo.json"],
)
def test_a_wrong_variable_ends_the_audit_before_a_host_is_asked(fleet, variable):
    fleet.replies("a", reply(fresh()))
    done = fleet.run("-e", variable)
    assert done.returncode == 2
    assert "Read and judge" not in done.stdout
    assert variable.split("=", maxsplit=1)[0] in done.stdout
