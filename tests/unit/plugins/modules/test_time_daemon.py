# SPDX-License-Identifier: GPL-3.0-or-later
"""The time_daemon module: the order of its commands, and what runs after a failure."""

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.modules.time_daemon import Failed, Switch, record


class Systemd:
    """Simulates systemctl on a table of units, since unit tests run without systemd."""

    check_mode = False

    def __init__(self, **params):
        self.units = {}
        self.commands = []
        self.fails = set()
        self.params = {
            "running": [],
            "stopped": [],
            "enablement": {},
            "recorded": {},
            "restart": False,
            "timeout_s": 0,
        }
        self.params.update(params)

    def unit(self, name, active="inactive", file="enabled", load="loaded", conflicts=()):
        self.units[name] = {"active": active, "file": file, "load": load, "conflicts": conflicts}
        return self

    @staticmethod
    def get_bin_path(name):
        return "/bin/" + name

    def run_command(self, argv):
        verb, names = argv[1], argv[argv.index("--") + 1 :]
        if verb == "show":
            return 0, "\n".join(self.shown(name) for name in names if "*" not in name), ""
        if verb == "reset-failed":
            return 0, "", ""
        self.commands.append(f"{verb} {names[0]}")
        if f"{verb} {names[0]}" in self.fails or names[0] not in self.units:
            return 1, "", f"{verb} failed\n"
        getattr(self, verb)(self.units[names[0]])
        return 0, "", ""

    def shown(self, name):
        unit = self.units.get(name, {"active": "inactive", "file": "", "load": "not-found"})
        pid = 7 if unit["active"] == "active" else 0
        return (
            f"Id={name}\nNames={name}\nLoadState={unit['load']}\nActiveState={unit['active']}\n"
            f"SubState=running\nUnitFileState={unit['file']}\nMainPID={pid}\n"
        )

    def start(self, unit):
        for name in unit["conflicts"]:
            if name in self.units:
                self.units[name]["active"] = "inactive"
        unit["active"] = unit.get("after_start", "active")

    restart = start

    @staticmethod
    def stop(unit):
        unit["active"] = "inactive"

    @staticmethod
    def enable(unit):
        unit["file"] = "enabled"

    @staticmethod
    def disable(unit):
        unit["file"] = "disabled"

    @staticmethod
    def mask(unit):
        unit["file"] = "masked"

    unmask = disable

    def switch(self):
        work = Switch(self)
        shown = work.show()
        work.apply_record(shown)
        try:
            work.switch(shown)
        except Failed:
            work.start_former(shown)
            raise
        return work

    def active(self):
        return sorted(name for name, unit in self.units.items() if unit["active"] == "active")


TIMESYNCD, CHRONY, NTPSEC = "systemd-timesyncd.service", "chrony.service", "ntpsec.service"


def test_the_new_daemon_runs_before_the_former_is_stopped():
    host = Systemd(running=[CHRONY], stopped=[NTPSEC], enablement={NTPSEC: "disabled"})
    host.unit(CHRONY).unit(NTPSEC, "active").switch()
    assert host.commands == [f"start {CHRONY}", f"stop {NTPSEC}", f"disable {NTPSEC}"]
    host.commands.clear()
    assert host.switch().actions == []


@pytest.mark.parametrize("end", ["command", "state"])
def test_the_former_daemon_runs_again_if_the_new_one_does_not_start(end):
    host = Systemd(running=[CHRONY], stopped=[TIMESYNCD])
    host.unit(CHRONY, conflicts=[TIMESYNCD]).unit(TIMESYNCD, "active")
    host.units[CHRONY]["after_start"] = "failed"
    if end == "command":
        host.fails.add(f"start {CHRONY}")
        host.units[TIMESYNCD]["active"] = "active"
    with pytest.raises(Failed, match=CHRONY):
        host.switch()
    assert host.active() == [TIMESYNCD]


def test_a_daemon_that_cannot_be_stopped_is_a_failure():
    host = Systemd(running=[CHRONY], stopped=[NTPSEC]).unit(CHRONY).unit(NTPSEC, "active")
    host.fails.add(f"stop {NTPSEC}")
    with pytest.raises(Failed, match=f"stop {NTPSEC} failed: stop failed"):
        host.switch()
    assert NTPSEC in host.active()


def test_a_record_is_restored():
    recorded = {
        TIMESYNCD: {"load": "loaded", "active": "active", "enabled": "enabled"},
        NTPSEC: {"load": "loaded", "active": "inactive", "enabled": "masked"},
    }
    host = Systemd(recorded=recorded)
    host.unit(TIMESYNCD, file="disabled").unit(CHRONY, "active").unit(NTPSEC).switch()
    assert host.active() == [TIMESYNCD]
    assert {name: unit["file"] for name, unit in host.units.items()} == {
        TIMESYNCD: "enabled",
        CHRONY: "disabled",
        NTPSEC: "masked",
    }
    assert host.commands.index(f"start {TIMESYNCD}") < host.commands.index(f"stop {CHRONY}")
    host.commands.clear()
    assert host.switch().actions == []


def test_a_record_without_a_daemon_leaves_the_one_that_runs():
    host = Systemd(
        recorded={TIMESYNCD: {"load": "loaded", "active": "inactive", "enabled": "disabled"}}
    )
    host.unit(CHRONY, "active").unit(TIMESYNCD).switch()
    assert host.active() == [CHRONY]
    assert host.commands == []


def test_a_record_of_chrony_restarts_it_on_request():
    host = Systemd(
        recorded={CHRONY: {"load": "loaded", "active": "active", "enabled": "enabled"}},
        restart=True,
    )
    host.unit(CHRONY, "active").switch()
    assert host.commands == [f"restart {CHRONY}"]


def test_a_former_daemon_that_is_not_installed_is_named():
    recorded = {TIMESYNCD: {"load": "loaded", "active": "active", "enabled": "enabled"}}
    host = Systemd(recorded=recorded).unit(CHRONY, "active")
    work = Switch(host)
    shown = work.show()
    work.apply_record(shown)
    assert work.missing(shown) == [TIMESYNCD]
    with pytest.raises(Failed):
        host.switch()
    assert host.active() == [CHRONY]


def test_a_daemon_that_outlived_its_package_is_recorded():
    host = Systemd().unit(TIMESYNCD, "active", "", "not-found").unit(NTPSEC)
    assert record(Switch(host).show()) == {
        TIMESYNCD: {"load": "not-found", "active": "active", "enabled": ""},
        NTPSEC: {"load": "loaded", "active": "inactive", "enabled": "enabled"},
    }


@pytest.mark.parametrize(
    "recorded", [{"x": None}, {"x": []}, {"x": {"active": 1}}, {"x": {"enabled": {}}}]
)
def test_a_damaged_record_changes_nothing(recorded):
    host = Systemd(recorded=recorded).unit(CHRONY, "active")
    host.switch()
    assert host.active() == [CHRONY]
