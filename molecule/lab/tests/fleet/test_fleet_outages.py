# SPDX-License-Identifier: GPL-3.0-or-later
"""Outages that a test causes. Processes and guest scripts are real, the guests are not."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from fleet import Lab, LabError, UsageError, cli, disk, mirror
from fleet.process import load
from fleet.progress import silent


@pytest.fixture
def lab(stand_ins: Path) -> Lab:
    return Lab(say_line=silent)


def _command_line(folder: Path, name: str = "qemu") -> list[str]:
    process = load(folder / f"{name}.pid")
    assert process is not None
    assert process.alive()
    return Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")


def _qmp_log(folder: Path) -> list[list[object]]:
    lines = (folder / "qmp.log").read_text().splitlines()
    commands = [json.loads(line) for line in lines]
    return [command for command in commands if command[0] != "qmp_capabilities"]


def test_a_power_cut_kills_qemu_and_keeps_the_disk_and_the_emulators(
    lab: Lab, stand_ins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lab:
        node = lab.up(1)[0]
        node.overlay.write_text("written", encoding="ascii")
        lab.fault("node1", "clock_abnormal")
        qemu = load(node.machine.pidfile)
        assert qemu is not None
        assert cli.main(["power", "node1", "off"]) == 0
        assert not qemu.alive()
        # SIGTERM lets QEMU write its caches to the disk, which a power cut does not.
        assert "SIGTERM" not in node.machine.log.read_text(encoding="utf-8")
        assert cli.main(["power", "node1", "off"]) == 0
        assert [each["running"] for each in lab.status()] == [False]
        assert cli.main(["power", "node1", "on"]) == 0
        assert capsys.readouterr().out == "node1 is running\n"
        assert node.overlay.read_text(encoding="ascii") == "written"
        assert "clock_abnormal" in lab.control("node1").status()["faults"]
        assert cli.main(["power", "node1", "on"]) == cli.EXIT_FAILED
        assert "node1 is running already." in capsys.readouterr().err


def test_a_machine_starts_without_a_function(lab: Lab, stand_ins: Path) -> None:
    with lab:
        node = lab.up(1)[0]
        for words, plugged in ((["--without", "cipu0"], {"ref0"}), ([], {"cipu0", "ref0"})):
            assert cli.main(["power", "node1", "off"]) == 0
            assert cli.main(["power", "node1", "on", *words]) == 0
            devices = [word for word in _command_line(node.folder) if "vfio-user-pci" in word]
            assert {json.loads(device)["id"] for device in devices} == plugged
        assert cli.main(["power", "node1", "off"]) == 0
        assert cli.main(["power", "node1", "on", "--without", "cipu9"]) == cli.EXIT_USAGE


def test_a_restart_connects_functions_that_were_unplugged_or_whose_emulator_ended(lab: Lab) -> None:
    with lab:
        node = lab.up(1)[0]
        node.machine.cut_power()
        lab.fault("node1", "vanish")
        assert not lab.control("node1").status()["listening"]
        ended = load(node.folder / "ref0.pid")
        assert ended is not None
        ended.stop()
        node.power_on()
        assert lab.control("node1").status()["listening"]
        assert lab.control("node1/ref0").status()["listening"]


def test_network_and_ssh_port_are_switched_in_qemu(lab: Lab) -> None:
    with lab:
        node = lab.up(1, function_count=0)[0]
        for words in ("network off", "network on", "ssh-port off", "ssh-port on"):
            command, state = words.split()
            assert cli.main([command, "node1", state]) == 0
        forward = f"tcp:127.0.0.1:{node.state.ssh_port}"
        assert _qmp_log(node.folder) == [
            ["set_link", {"name": "net", "up": False}],
            ["set_link", {"name": "net", "up": True}],
            ["human-monitor-command", {"command-line": f"hostfwd_remove net {forward}"}],
            ["human-monitor-command", {"command-line": f"hostfwd_add net {forward}-:22"}],
        ]


def test_a_disk_is_saved_and_restored(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with lab:
        node = lab.up(1, function_count=0)[0]
        assert cli.main(["disk", "node1", "save", "first"]) == cli.EXIT_FAILED
        assert "node1 is running" in capsys.readouterr().err
        node.machine.cut_power()
        for text in ("one", "two"):
            node.overlay.write_text(text, encoding="ascii")
            assert cli.main(["disk", "node1", "save", "point"]) == 0
        assert disk.points(node) == ["point"]
        node.overlay.write_text("three", encoding="ascii")
        assert cli.main(["disk", "node1", "restore", "point"]) == 0
        assert node.overlay.read_text(encoding="ascii") == "two"
        for point in ("other", "../x"):
            with pytest.raises(UsageError):
                disk.restore(node, point)


def test_a_running_disk_is_saved_by_qemu(lab: Lab) -> None:
    with lab:
        node = lab.up(1, function_count=0)[0]
        disk.save_running(node, "cut-1")
        node.overlay.with_name(f"{node.overlay.name}@cut-1").touch()
        disk.save_running(node, "cut-1")
        arguments = {"device": "disk", "name": "cut-1"}
        assert _qmp_log(node.folder) == [
            ["blockdev-snapshot-internal-sync", arguments],
            ["blockdev-snapshot-delete-internal-sync", arguments],
            ["blockdev-snapshot-internal-sync", arguments],
        ]
        with pytest.raises(LabError, match="running"):
            disk.remove(node, "cut-1")
        node.machine.cut_power()
        disk.remove(node, "cut-1")
        assert disk.points(node) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("wanted_kib", [0, 100, 3000])
def test_a_disk_is_filled_to_a_given_free_size(tmp_path: Path, wanted_kib: int) -> None:
    script = f"""
mount -t tmpfs -o size=8M none {tmp_path}
echo old > {tmp_path}/ballast
sh -s {tmp_path}/ballast {wanted_kib} <<'END'
{disk.FILL}
END
df --output=avail -k {tmp_path} | tail -n 1
rm {tmp_path}/ballast
df --output=avail -k {tmp_path} | tail -n 1
"""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", script], capture_output=True, text=True, check=True
    )
    printed, full, freed = map(int, done.stdout.split())
    assert printed == full
    assert wanted_kib - 4 <= full <= wanted_kib + 4
    assert freed == 8192


def _apt_setting(root: Path, name: str) -> str:
    settings = root / "apt.conf"
    settings.write_text(f'Dir::Etc::Parts "{root}/etc/apt/apt.conf.d";', encoding="ascii")
    done = subprocess.run(
        ["apt-config", "dump", "--format=%v", name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "APT_CONFIG": str(settings)},
    )
    return done.stdout


def test_a_broken_mirror_leaves_apt_neither_downloads_nor_its_cache(tmp_path: Path) -> None:
    (tmp_path / "etc/apt/apt.conf.d").mkdir(parents=True)

    def switch(state: str) -> None:
        command = ["sh", "-s", str(tmp_path), state]
        subprocess.run(command, input=mirror.SWITCH, text=True, check=True)

    usual = _apt_setting(tmp_path, "Dir::Cache::archives")
    for _ in range(2):
        switch("off")
        assert "127.0.0.1:9" in _apt_setting(tmp_path, "Acquire::http::Proxy")
        assert _apt_setting(tmp_path, "Dir::Cache::archives") != usual
    switch("on")
    assert _apt_setting(tmp_path, "Dir::Cache::archives") == usual
    switch("on")


def test_outages_of_a_lab_that_is_not_up(cache: Path) -> None:
    for words in ("power node1 off", "network node1 off", "mirror node1 off", "disk node1 fill"):
        assert cli.main(words.split()) == cli.EXIT_FAILED
    with pytest.raises(LabError, match="not up"):
        Lab().node("node1")
