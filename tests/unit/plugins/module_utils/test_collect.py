# SPDX-License-Identifier: GPL-3.0-or-later
"""clock_facts on simulated hosts: complete, empty, and hostile."""

import grp
import json
import os
import pwd

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge
from ansible_collections.cipu.clock.plugins.module_utils._host.commands import Outcome
from ansible_collections.cipu.clock.plugins.module_utils._host.facts import Collector
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

from ..made import report
from .test_chrony import SELECTDATA, SOURCES, TRACKING

RUNNING = os.uname().release
FACTS_LIMIT_BYTES = 4224

FILES = {
    "usr/local/bin/clockprobe": "",
    "proc/sys/kernel/random/boot_id": "0d5bd4a3-6c4e-4a1e-9b5e-1f6a2b3c4d5e\n",
    "proc/stat": "cpu  1000 0 500 90000 10 0 5 85 0 0\ncpu0 1 2 3\n",
    "proc/77/comm": "chronyd\n",
    "proc/uptime": "1000.50 1900.00\n",
    "proc/77/stat": "77 (chronyd) S 1 77 77 0 -1 4194368 9 0 0 0 1 2 0 0 20 0 1 0 96050 9 9\n",
    "proc/77/status": "Name:\tchronyd\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "sys/class/ptp/ptp0/clock_name": "ptp_cipu\n",
    "sys/module/ptp_cipu/version": "0.2.0\n",
    "sys/module/ptp_cipu/srcversion": "B1E2A3D4C5F60718293A4B5\n",
    "sys/module/ptp_cipu/taint": "OE\n",
    "sys/module/module/parameters/sig_enforce": "N\n",
    "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
    "etc/chrony/chrony.conf": "",
    "dev/ptp_cipu": "",
    "run/systemd/system/.there": "",
    "boot/vmlinuz-" + RUNNING: "",
    "lib/modules/" + RUNNING + "/modules.dep": "",
    "var/lib/dkms/ptp_cipu/0.2.0/source/dkms.conf": "",
    "var/lib/dkms/ptp_cipu/0.2.0/" + RUNNING + "/x86_64/module/ptp_cipu.ko": "",
}

MODINFO = """filename:       /lib/modules/K/updates/dkms/ptp_cipu.ko
version:        0.2.0
license:        GPL
srcversion:     B1E2A3D4C5F60718293A4B5
signer:         DKMS module signing key
"""
UNITS = """MainPID=0
Id=systemd-timesyncd.service
ActiveState=inactive

MainPID=77
Id=chrony.service
ActiveState=active

MainPID=77
Id=chrony.service
ActiveState=active
"""
OUTPUTS = {
    "clockprobe": json.dumps(report()),
    "chronyc": "\n".join([TRACKING, SOURCES, SELECTDATA]),
    "chronyd -v": "chronyd (chrony) version 4.3 (+CMDMON)",
    "chronyd -p": "refclock PHC /dev/ptp_cipu refid CIPU poll 0 prefer\n",
    "modinfo": MODINFO,
    "modinfo -k": "/lib/modules/K/updates/dkms/ptp_cipu.ko\n",
    "systemctl": UNITS,
}


class Simulated:
    """A host of files under a folder, and of programs with a given output."""

    def __init__(self, folder, files=None, outputs=None):
        self.outputs = OUTPUTS if outputs is None else outputs
        self.asked = []
        for name, text in (FILES if files is None else files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.folder = folder

    def which(self, name):
        known = {key.split()[0] for key in self.outputs}
        return "/usr/bin/" + name if name in known else None

    def run_all(self, commands, timeout_s):
        outcomes = {}
        for name, argv in commands.items():
            self.asked.append(argv)
            program = os.path.basename(argv[0])
            text = self.outputs.get(" ".join([program] + argv[1:2]), self.outputs.get(program, ""))
            outcomes[name] = text if isinstance(text, Outcome) else Outcome(0, text)
        return outcomes

    def facts(self):
        collector = Collector(
            "/usr/local/bin/clockprobe",
            "ptp_cipu",
            20,
            tree=Tree(str(self.folder)),
            run_all=self.run_all,
            which=self.which,
        )
        return collector.facts()


OTHERS = {"6": "/system.slice/near-ntp.service", "7": "/system.slice/x.scope/chrony.service"}


@pytest.mark.parametrize(
    "cgroup", ["0::{0}\n", "12:cpu,cpuacct:/\n1:name=systemd:{0}\n0::/\n"], ids=["v2", "v1"]
)
@pytest.mark.parametrize(
    "others, runs", [(OTHERS, True), ({"6": OTHERS["6"]}, False)], ids=["runs", "stopped"]
)
def test_the_configuration_is_that_of_the_unit_and_not_of_another_chronyd(
    tmp_path, cgroup, others, runs
):
    """Its process has the lower number, and a second one runs in a container."""
    files = {path: text for path, text in FILES.items() if runs or "/77/" not in path}
    for pid, unit in dict(
        others, **({"77": "/system.slice/chrony.service"} if runs else {})
    ).items():
        files["proc/{0}/comm".format(pid)] = "chronyd\n"
        files["proc/{0}/cgroup".format(pid)] = cgroup.format(unit)
        option = "\0-f\0/etc/near.conf" if pid in others else ""
        files["proc/{0}/cmdline".format(pid)] = "/usr/sbin/chronyd" + option + "\0"
    host = Simulated(tmp_path, files)
    facts = host.facts()
    assert "config" not in facts["chrony"]
    (printed,) = [argv for argv in host.asked if "-p" in argv and "chronyd" in argv[0]]
    assert printed[-1].endswith("/etc/chrony/chrony.conf")


def test_a_common_host(tmp_path):
    facts = Simulated(tmp_path).facts()
    assert facts["probe"] == {
        "status": "ok",
        "path": "/usr/local/bin/clockprobe",
        "version": "0.2.0",
    }
    assert [clock["node"] for clock in facts["clocks"]] == ["/dev/ptp0", "/dev/ptp1"]
    assert facts["clocks"][0]["instance"] > 0
    assert "instance" not in facts["clocks"][1]
    assert facts["chrony"]["status"] == "ok"
    assert facts["chrony"]["selected"] == "CIPU"
    assert facts["chrony"]["version"] == "4.3"
    assert facts["chrony"]["refclocks"][0]["device"] == "/dev/ptp_cipu"
    assert facts["chrony"]["user"] == "root"
    assert facts["chrony"]["uptime_s"] == 40
    assert facts["time_daemons"] == ["chronyd"]
    assert facts["clocksource"] == "tsc"
    assert facts["steal"] == {"stolen_ticks": 85, "total_ticks": 91600, "during_probe_pct": 0.0}
    assert facts["driver"]["loaded"] is True
    assert facts["driver"]["loaded_srcversion"] == facts["driver"]["installed_srcversion"]
    assert facts["driver"]["signer"] == "DKMS module signing key"
    assert facts["driver"]["dkms"] == [
        {"version": "0.2.0", "kernel": RUNNING, "arch": "x86_64", "state": "built"}
    ]
    assert facts["kernel"]["running"] == facts["kernel"]["next"] == RUNNING
    assert facts["kernel"]["bootable"][0]["has_module"] is True
    assert facts["secure_boot"] == {
        "enabled": False,
        "lockdown": "none",
        "signature_enforced": False,
    }
    assert facts["missing"] == []
    assert judge(facts, now_s=facts["taken_at_s"])["state"] != "UNKNOWN"


def test_problems_of_clockprobe_are_reported(tmp_path):
    printed = dict(report(), problems=["/sys/class/ptp cannot be read.", 7])
    facts = Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=json.dumps(printed))).facts()
    assert facts["missing"] == ["clockprobe: /sys/class/ptp cannot be read."]


def test_a_common_host_is_small(tmp_path):
    assert len(json.dumps(Simulated(tmp_path).facts())) < FACTS_LIMIT_BYTES


def test_the_probe_runs_alone_and_first(tmp_path):
    host = Simulated(tmp_path)
    host.facts()
    assert os.path.basename(host.asked[0][0]) == "clockprobe"
    assert sum("clockprobe" in argv[0] for argv in host.asked) == 1


def test_an_empty_host(tmp_path):
    facts = Simulated(tmp_path, {}, {}).facts()
    assert facts["probe"]["status"] == "missing"
    assert facts["clocks"] == facts["functions"] == facts["time_daemons"] == []
    assert facts["chrony"] == {"status": "absent"}
    assert facts["driver"]["loaded"] is False
    assert len(facts["missing"]) >= 2
    assert judge(facts, now_s=facts["taken_at_s"])["state"] == "NOT_APPLICABLE"


def test_without_clockprobe_functions_are_read_from_the_bus(tmp_path):
    files = {key: text for key, text in FILES.items() if "clockprobe" not in key}
    base = "sys/bus/pci/devices/0000:00:10.0/"
    files.update({base + "vendor": "0x1ded\n", base + "device": "0x500c\n"})
    files.update({"sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n"})
    facts = Simulated(tmp_path, files).facts()
    assert facts["functions"] == [{"pci_address": "0000:00:10.0"}]
    health = judge(facts, now_s=facts["taken_at_s"])
    found = {(reason["check"], reason["severity"]) for reason in health["reasons"]}
    assert {("function", "critical"), ("dev_stat", "unknown")} <= found


@pytest.mark.parametrize(
    "outputs, words",
    [
        ("", "exit status 0"),
        ("Segmentation fault", "exit status"),
        ("[]", "schema"),
        ('{"schema": 2}', "schema"),
        ("[" * 100000, "exit status"),
        (Outcome(problem="timeout"), "timeout"),
        (Outcome(1, "", "no clock answers"), "no clock answers"),
    ],
)
def test_a_probe_that_fails_is_reported(tmp_path, outputs, words):
    facts = Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=outputs)).facts()
    assert facts["probe"]["status"] == "failed"
    assert words in facts["probe"]["message"]
    # The clocks are named but not measured.
    assert [clock["kind"] for clock in facts["clocks"]] == ["cipu"]
    assert "measurement" not in facts["clocks"][0]
    assert judge(facts, now_s=facts["taken_at_s"])["state"] != "OK"


def test_clocks_are_named_without_clockprobe(tmp_path):
    names = ["KVM virtual PTP", "something", "ptp_cipu", "hyperv", "ena-ptp-05", "vmclock0"]
    files = {"sys/class/ptp/ptp%d/clock_name" % i: name for i, name in enumerate(names)}
    files["sys/class/ptp/ptpx/clock_name"] = "no number"
    host = Simulated(tmp_path, files, {})
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ptp_kvm").symlink_to("ptp0")
    clocks = host.facts()["clocks"]
    assert [clock["kind"] for clock in clocks] == [
        "cipu",
        "kvm",
        "unknown",
        "hyperv",
        "ena",
        "vmclock",
    ]
    assert clocks[1] == {
        "node": "/dev/ptp0",
        "index": 0,
        "name": "KVM virtual PTP",
        "kind": "kvm",
        "links": ["/dev/ptp_kvm"],
    }


def test_a_probe_that_could_not_measure_still_reports(tmp_path):
    printed = Outcome(1, json.dumps(report()))
    assert (
        Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=printed)).facts()["probe"]["status"]
        == "ok"
    )


def test_a_huge_malformed_report_is_bounded(tmp_path):
    hostile = report()
    hostile["clocks"] = [dict(hostile["clocks"][0], node="x" * 10**6, index=i) for i in range(100)]
    hostile["clocks"] += [None, 7, {"kind": ["a"]}, {"measurement": {"failures": {"E": "x"}}}]
    hostile["clocks"][0]["measurement"] = {"offset_ns": "many", "samples": True, "interval_ns": 4}
    hostile["functions"] = [{"pci_address": {}}] * 1000
    hostile["vmclock"] = {"k" * 1000: 1, "reason": "v" * 1000, "disruption_marker": 10**400}
    facts = Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=json.dumps(hostile))).facts()
    assert len(json.dumps(facts)) < 5 * FACTS_LIMIT_BYTES
    assert len(facts["clocks"]) == 8
    assert facts["clocks"][0]["measurement"] == {}
    assert list(facts["vmclock"]) == ["reason"]
    assert "94 further clocks were left out." in facts["missing"]


def test_other_clocks_are_returned_in_short(tmp_path):
    printed = report()
    printed["clocks"][1].update(kind="kvm", name="KVM virtual PTP", driver="ptp_kvm")
    clock = Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=json.dumps(printed))).facts()[
        "clocks"
    ][1]
    assert clock["kind"] == "kvm"
    assert "cipu" not in clock
    assert clock["measurement"]["offset_ns"] == -1250


@pytest.mark.parametrize(
    "uid, gid, owner, group",
    [
        (0, 0, pwd.getpwuid(0).pw_name, grp.getgrgid(0).gr_name),
        (3999999999, 3999999998, "3999999999", "3999999998"),
        (1 << 63, 1 << 63, str(1 << 63), str(1 << 63)),
        (None, None, None, None),
        ("root", True, None, None),
    ],
)
def test_owners_of_nodes_get_their_names(tmp_path, uid, gid, owner, group):
    reported = report()
    reported["clocks"][0].update(uid=uid, gid=gid)
    clock = Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=json.dumps(reported))).facts()[
        "clocks"
    ][0]
    assert clock.get("owner") == owner
    assert clock.get("group") == group
    assert not {"uid", "gid"} & set(clock)


def test_what_clockprobe_adds_is_passed_on(tmp_path):
    reported = report()
    reported["problems"] = ["cannot read /sys/class/ptp/ptp3/clock_name: Input/output error"]
    reported["clocks"][0]["measurement"].update(
        hint="it probably shows TAI",
        frequency_ppb=1.5,
        frequency_uncertainty_ppb=0.1,
        frequency_baseline_ns=21600 * 10**9,
    )
    reported["clocks"][1].update(kind="ena", name="ena-ptp-0000:00:05.0", phc_error_bound_ns=24123)
    facts = Simulated(tmp_path, outputs=dict(OUTPUTS, clockprobe=json.dumps(reported))).facts()
    assert facts["clocks"][0]["measurement"]["hint"] == "it probably shows TAI"
    assert facts["clocks"][0]["measurement"]["frequency_baseline_ns"] == 21600 * 10**9
    assert facts["clocks"][1]["phc_error_bound_ns"] == 24123
    assert facts["missing"] == [
        "clockprobe: cannot read /sys/class/ptp/ptp3/clock_name: Input/output error."
    ]


@pytest.mark.parametrize("units, status", [(UNITS, "denied"), ("", "stopped")])
def test_chrony_that_does_not_answer(tmp_path, units, status):
    outputs = dict(OUTPUTS, chronyc=Outcome(1, "506 Cannot talk to daemon\n"), systemctl=units)
    facts = Simulated(tmp_path, outputs=outputs).facts()
    assert facts["chrony"]["status"] == status
    assert "tracking" not in facts["chrony"]


def test_without_systemd_daemons_are_found_by_their_processes(tmp_path):
    files = {key: text for key, text in FILES.items() if "systemd" not in key}
    files["proc/78/comm"] = "systemd-timesyn\n"
    outputs = {key: text for key, text in OUTPUTS.items() if key != "systemctl"}
    assert Simulated(tmp_path, files, outputs).facts()["time_daemons"] == ["chronyd", "timesyncd"]


def test_a_configuration_that_chronyd_refuses_is_reported(tmp_path):
    outputs = dict(OUTPUTS)
    outputs["chronyd -p"] = Outcome(1, "", "Fatal error : Invalid directive at line 3")
    facts = Simulated(tmp_path, outputs=outputs).facts()
    assert "line 3" in facts["chrony"]["config_error"]
    assert "refclocks" not in facts["chrony"]


def test_an_efi_host_with_secure_boot(tmp_path):
    host = Simulated(tmp_path)
    base = tmp_path / "sys/firmware/efi/efivars"
    base.mkdir(parents=True)
    name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    (base / name).write_bytes(b"\x06\x00\x00\x00\x01")
    (tmp_path / "sys/kernel/security/lockdown").write_text("none [integrity] confidentiality\n")
    facts = host.facts()
    assert facts["secure_boot"]["enabled"] is True
    assert facts["secure_boot"]["lockdown"] == "integrity"


def test_a_host_to_be_rebooted(tmp_path):
    host = Simulated(tmp_path)
    (tmp_path / "lib/modules/99.0.0").mkdir()
    (tmp_path / "boot/vmlinuz-99.0.0").write_text("")
    facts = host.facts()
    assert facts["kernel"]["next"] == "99.0.0"
    assert facts["kernel"]["reboot_pending"] is True


def test_the_running_and_the_next_kernel_are_always_reported(tmp_path):
    host = Simulated(tmp_path)
    for number in range(20):
        release = "99.{0}.0".format(number)
        for name in ("boot/vmlinuz-" + release, "lib/modules/{0}/modules.dep".format(release)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("")
    kernel = host.facts()["kernel"]
    releases = [record["release"] for record in kernel["bootable"]]
    assert len(releases) == 6
    assert {kernel["running"], kernel["next"]} == {RUNNING, "99.19.0"}
    assert {RUNNING, "99.19.0"} <= set(releases)


@pytest.mark.parametrize("visible", [True, False])
def test_a_module_is_missing_only_where_modules_can_be_seen(tmp_path, visible):
    """The sandbox of the metrics service may hide /lib/modules."""
    outputs = dict(OUTPUTS, **{"modinfo -k": Outcome(1, "")})
    files = {} if not visible else {"lib/modules/{0}/modules.dep".format(RUNNING): ""}
    (record,) = Simulated(tmp_path, files, outputs).facts()["kernel"]["bootable"]
    assert record["release"] == RUNNING
    assert record.get("has_module") == (False if visible else None)
