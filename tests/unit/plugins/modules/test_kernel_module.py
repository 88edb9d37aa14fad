# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel_module module on a simulated kernel: a /sys in a folder that the programs change.

The real kernel loads and unloads the driver in the scenarios that run in VMs.
"""

import os
import time

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree
from ansible_collections.cipu.clock.plugins.modules import kernel_module
from ansible_collections.cipu.clock.plugins.modules.kernel_module import (
    advice,
    complaint,
    last_words,
    same,
)

LOG = """
[    1.0] ptp_cipu 0000:00:10.0: the device refuses driver version 0x00010300
[    1.1] ptp_cipu 0000:00:10.0: probe with driver ptp_cipu failed with error -5
[    1.2] ptp_cipu 0000:00:11.0: registered as ptp1
[    1.3] ptp_cipu_other 0000:00:10.0: of another driver
"""
ADDRESS = "0000:00:10.0"


def test_parameters_are_compared_by_value():
    assert same("66304", "0x00010300")
    assert same("0x10300", 66304)
    assert same("Y", "Y")
    assert same("Y", "1")
    assert same("N", False)
    assert not same("N", True)
    assert not same(None, "0x1")
    assert not same("1", "0x10300")


def test_the_message_of_the_driver_is_preferred():
    message = last_words(LOG, "ptp_cipu", ADDRESS)
    assert message == "the device refuses driver version 0x00010300"
    assert last_words(LOG, "ptp_cipu", "0000:00:12.0") is None
    only = "ptp_cipu 0000:00:10.0: probe with driver ptp_cipu failed with error -5"
    assert last_words(only, "ptp_cipu", ADDRESS).startswith("probe with driver")


def test_a_refused_version_gets_its_own_advice():
    assert "cipu_driver_drv_ver" in advice(last_words(LOG, "ptp_cipu", ADDRESS))
    assert "kernel log" in advice(None)


class Host:
    """Stands in for AnsibleModule and for the kernel beneath the programs."""

    def __init__(self, folder, check_mode=False, **params):
        self.folder = folder
        self.check_mode = check_mode
        self.params = {name: spec["default"] for name, spec in kernel_module.SPEC.items()}
        self.params.update(timeout_s=1, **params)
        self.kernel_name = self.params["name"].replace("-", "_")
        self.srcversion = "NEW"
        self.missing = set()  # programs that are not installed
        self.fails = {}  # first words of a command -> exit status
        self.units = {"chrony.service": "active"}
        self.shows = {}  # parameters that the kernel shows instead of those given to modprobe
        self.ran = []
        self.put("sys/bus/pci/devices/{0}/vendor".format(ADDRESS), "0x1ded\n")
        self.put("sys/bus/pci/devices/{0}/device".format(ADDRESS), "0x500c\n")
        self.put("dev/.there", "")

    def put(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def get_bin_path(self, name):
        return None if name in self.missing else name

    def run_command(self, argv):
        line = " ".join(argv)
        self.ran.append(line)
        for words, status in self.fails.items():
            if line.startswith(words):
                return status, "", words + " failed"
        return getattr(self, "do_" + argv[0])(argv[1:])

    def do_modinfo(self, argv):
        if argv[0] == "-n":
            return 0, "/lib/modules/x.ko\n", ""
        return 0, self.srcversion + "\n", ""

    def do_modprobe(self, argv):
        base = self.folder / "sys/module" / self.kernel_name
        driver = self.folder / "sys/bus/pci/devices" / ADDRESS / "driver"
        if argv[0] == "-r":
            for path in sorted(base.glob("**/*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            base.rmdir()
            driver.unlink()
        else:
            given = dict(word.split("=") for word in argv[1:])
            self.load(self.srcversion, dict(given, **self.shows))
        return 0, "", ""

    def load(self, srcversion, params):
        self.put("sys/module/{0}/srcversion".format(self.kernel_name), srcversion + "\n")
        for key, value in params.items():
            self.put("sys/module/{0}/parameters/{1}".format(self.kernel_name, key), value + "\n")
        driver = self.folder / "sys/bus/pci/devices" / ADDRESS / "driver"
        if not driver.is_symlink():
            driver.symlink_to("../../../bus/pci/drivers/" + self.kernel_name)

    def do_systemctl(self, argv):
        unit = argv[-1]
        if argv[0] == "show":
            state = self.units.get(unit, "inactive")
            return 0, "Id={0}\nActiveState={1}\n".format(unit, state), ""
        self.units[unit] = "active" if argv[0] == "start" else "inactive"
        return 0, "", ""

    def do_udevadm(self, _argv):
        return 0, "", ""

    def do_dmesg(self, _argv):
        return 0, LOG, ""


def run(host):
    return kernel_module.run(host, Tree(str(host.folder)))


def test_params_reach_the_kernel_without_modprobe_d(tmp_path):
    host = Host(tmp_path, params={"drv_ver": "0x00010300"})
    result, failure = run(host)
    assert failure is None
    assert result["actions"] == ["modprobe ptp_cipu drv_ver=0x00010300"]
    again, failure = run(host)
    assert (again["changed"], failure) == (False, None)
    host.params["params"] = {"drv_ver": "0x00010200"}
    changed, failure = run(host)
    assert failure is None
    assert "modprobe ptp_cipu drv_ver=0x00010200" in changed["actions"]
    assert run(host)[0]["changed"] is False


def test_a_parameter_that_the_kernel_does_not_show_is_a_failure(tmp_path):
    host = Host(tmp_path, params={"drv_ver": "1"})
    host.shows = {"drv_ver": "2"}
    _result, failure = run(host)
    assert "the kernel shows 2 for parameter drv_ver of ptp_cipu, not 1" in failure


def test_a_stale_module_is_replaced_while_its_holder_is_stopped(tmp_path):
    host = Host(tmp_path)
    host.load("OLD", {})
    result, failure = run(host)
    assert failure is None
    assert [action for action in result["actions"] if "udevadm" not in action] == [
        "systemctl stop chrony.service",
        "modprobe -r ptp_cipu",
        "modprobe ptp_cipu",
        "systemctl start chrony.service",
    ]
    assert result["loaded_srcversion"] == "NEW"


@pytest.mark.parametrize(
    "fails, words",
    [
        ({"systemctl start": 1}, ["chrony.service does not run after the reload"]),
        ({"modprobe ptp_cipu": 1}, ["ptp_cipu cannot be loaded"]),
        ({"modprobe -r": 1}, ["ptp_cipu cannot be unloaded"]),
        ({"systemctl stop": 1}, ["chrony.service cannot be stopped"]),
        (
            {"modprobe ptp_cipu": 1, "systemctl start": 1},
            ["ptp_cipu cannot be loaded", "chrony.service does not run"],
        ),
    ],
)
def test_every_failure_is_reported_and_the_holder_is_started(tmp_path, fails, words):
    host = Host(tmp_path)
    host.load("OLD", {})
    host.fails = fails
    result, failure = run(host)
    for part in words:
        assert part in failure
    assert "systemctl start chrony.service" in result["actions"]


def test_a_holder_that_dies_at_once_is_a_failure(tmp_path):
    host = Host(tmp_path)
    host.load("OLD", {})
    started = host.do_systemctl

    def die(argv):
        answer = started(argv)
        if argv[0] == "start":
            host.units[argv[-1]] = "failed"
        return answer

    host.do_systemctl = die
    _result, failure = run(host)
    assert "does not run after the reload (failed)" in failure


def test_unloading_needs_no_modinfo(tmp_path):
    host = Host(tmp_path, state="unloaded")
    host.load("NEW", {})
    host.missing = {"modinfo", "systemctl"}
    result, failure = run(host)
    assert (result["actions"], failure) == (["modprobe -r ptp_cipu"], None)
    assert run(host)[0]["changed"] is False


def test_hyphens_and_underscores_are_the_same(tmp_path):
    host = Host(tmp_path, name="snd-pcm")
    assert run(host)[1] is None
    result, failure = run(host)
    assert (result["changed"], failure) == (False, None)


def test_a_module_without_srcversion_is_idempotent(tmp_path):
    host = Host(tmp_path)
    host.srcversion = ""
    assert run(host)[1] is None
    assert run(host)[0]["changed"] is False


@pytest.mark.parametrize("state", ["loaded", "unloaded"])
def test_check_mode_changes_nothing(tmp_path, state):
    host = Host(tmp_path, check_mode=True, state=state)
    host.load("OLD", {})
    result, failure = run(host)
    assert (result["changed"], failure) == (True, None)
    assert result["diff"]["after"] != result["diff"]["before"]
    assert not [line for line in host.ran if line.startswith(("modprobe", "systemctl st"))]


def test_the_wait_for_a_link_follows_the_monotonic_clock(tmp_path, monkeypatch):
    host = Host(tmp_path, links=["/dev/ptp_cipu"])
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the wall clock was read"))
    began = time.monotonic()
    _result, failure = run(host)
    assert "/dev/ptp_cipu did not appear within 1 s" in failure
    assert 1 <= time.monotonic() - began < 5
    os.symlink("ptp0", str(tmp_path / "dev/ptp_cipu"))
    (tmp_path / "dev/ptp0").write_text("")
    assert run(host)[1] is None


def test_a_function_of_another_driver_is_refused(tmp_path):
    host = Host(tmp_path)
    driver = tmp_path / "sys/bus/pci/devices" / ADDRESS / "driver"
    driver.symlink_to("../../../bus/pci/drivers/vfio-pci")
    _result, failure = run(host)
    assert "is bound to vfio-pci, not to ptp_cipu" in failure


@pytest.mark.parametrize(
    "params",
    [
        {"name": "--remove-dependencies"},
        {"name": ""},
        {"name": "ptp_cipu\n"},
        {"name": "../x"},
        {"pci_id": "1ded"},
        {"pci_id": "1ded:500c:1"},
        {"pci_id": "1ded:50"},
        {"links": ["ptp_cipu"]},
        {"links": ["/dev/../etc/x"]},
        {"holders": ["--all"]},
        {"params": {"drv_ver": "1 --force"}},
        {"params": {"-r": "1"}},
        {"timeout_s": -1},
    ],
)
def test_options_are_validated(params):
    every = {name: spec["default"] for name, spec in kernel_module.SPEC.items()}
    assert complaint(every) is None
    assert complaint(dict(every, **params)) is not None
