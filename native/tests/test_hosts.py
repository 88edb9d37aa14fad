# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are unusual: many clocks, names, unreadable files, signals; and exit statuses."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_host import BUILD, Host


def test_all_of_201_clocks(host: Host) -> None:
    for index in range(201):
        host.clock(index, "nic", precise=1)
    outcome = host.probe("--json", "--samples", "8")
    assert outcome.status == 0, outcome.document["problems"]
    clocks = outcome.document["clocks"]
    assert [clock["index"] for clock in clocks] == list(range(201))
    assert {clock["measurement"]["status"] for clock in clocks} == {"ok"}
    assert host.probe("--compare", "ptp200", "ptp0").status == 0


def test_more_clocks_than_are_read(host: Host) -> None:
    for index in range(1025):
        host.path(f"/sys/class/ptp/ptp{index}/clock_name").write_text("nic\n")
    outcome = host.probe("--json", "--list")
    assert outcome.status == 1
    assert len(outcome.document["clocks"]) == 1024
    assert outcome.document["problems"] == [
        "there are more than 1024 PTP clocks: the rest is ignored"
    ]


def named_host(host: Host) -> None:
    host.cipu()
    host.clock(1, "mlx5_ptp", "0000:00:05.0")
    host.write("/sys/bus/pci/devices/0000:00:05.0/net/eth0/mtu", "1500\n")
    host.link("/dev/hyperv0", "ptp1")
    host.link("/dev/clock/nic", "../ptp1")


@pytest.mark.parametrize(
    "name", ["eth0", "ptp1", "/dev/ptp1", "/dev/hyperv0", "/dev/clock/nic", "0000:00:05.0"]
)
def test_names_of_a_clock(host: Host, name: str) -> None:
    named_host(host)
    outcome = host.probe("--json", "--clock", name)
    assert outcome.status == 0
    first, second = outcome.document["clocks"]
    assert first["measurement"]["reason"] == "not named by --clock"
    assert second["measurement"]["status"] == "ok"
    assert second["interfaces"] == ["eth0"]
    assert host.probe("--compare", name, "ptp0").status == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 0),
        (["--list"], 0),
        (["--clock", "ptp0"], 0),
        (["--list", "--clock", "eth0"], 0),
        (["--compare", "ptp0", "eth0"], 0),
        (["--clock", "ptp9"], 1),
        (["--clock", "ptp0", "--clock", "ptp9"], 1),
        (["--list", "--clock", "ptp9"], 1),
        (["--compare", "ptp0", "ptp9"], 1),
        (["--compare", "ptp9", "ptp0"], 1),
    ],
)
def test_exit_statuses_with_clocks(host: Host, arguments: list[str], status: int) -> None:
    named_host(host)
    outcome = host.probe(*arguments)
    assert outcome.status == status
    assert ("there is no clock ptp9" in outcome.out + outcome.err) == (status == 1)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [([], 3), (["--list"], 3), (["--clock", "ptp0"], 1), (["--compare", "ptp0", "ptp1"], 1)],
)
def test_exit_statuses_without_a_clock(host: Host, arguments: list[str], status: int) -> None:
    assert host.probe(*arguments).status == status


def test_exit_statuses_with_a_function_without_a_driver(host: Host) -> None:
    host.function(driver=None)
    host.clock(0, "KVM virtual PTP", precise=1)
    assert host.probe().status == host.probe("--list").status == 1
    # What was asked for is there.
    assert host.probe("--clock", "ptp0").status == 0


@pytest.mark.parametrize("options", [["--list"], [], ["--clock", "ptp0"]])
def test_sysfs_that_cannot_be_read(host: Host, options: list[str]) -> None:
    """As an unprivileged user, whom the mode keeps out."""
    host.cipu()
    for folder in (host.root, *host.root.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(0o755)
    (host.root / "sys/class/ptp").chmod(0o000)
    program = host.path("/clockprobe")
    program.write_bytes((BUILD / "static/clockprobe").read_bytes())
    program.chmod(0o755)
    done = subprocess.run(
        [str(program), "--root", str(host.root), "--json", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=65534,
        group=65534,
    )
    assert done.returncode == 1
    problems = json.loads(done.stdout)["problems"]
    assert problems[0] == "cannot read /sys/class/ptp: Permission denied"
    (host.root / "sys/class/ptp").chmod(0o755)


def test_a_missing_root(host: Host) -> None:
    host.root /= "missing"
    for options in ([], ["--list"]):
        outcome = host.probe(*options)
        assert outcome.status == 1
        assert "missing/sys/class: No such file or directory; is sysfs mounted?" in outcome.out
    outcome = host.probe("--compare", "ptp0", "ptp1")
    assert outcome.status == 1
    assert "there is no clock ptp0; cannot read " in outcome.err


def test_missing_values_are_null(host: Host) -> None:
    host.cipu()
    (host.root / "proc/sys/kernel/random/boot_id").unlink()
    (host.root / "sys/devices/system/clocksource/clocksource0/current_clocksource").unlink()
    (host.root / "sys/class/ptp/ptp0/clock_name").unlink()
    (host.root / "dev/ptp0").unlink()
    outcome = host.probe("--json")
    assert outcome.status == 1
    document = outcome.document
    assert document["boot_id"] is document["clocksource"] is None
    assert "cannot read /sys/class/ptp/ptp0/clock_name: No such" in document["problems"][0]
    (clock,) = document["clocks"]
    assert clock["name"] is clock["uid"] is clock["gid"] is clock["mode"] is None
    assert clock["measurement"]["duration_ns"] is clock["measurement"]["phc_tick_ns"] is None
    assert clock["frequency_adjustment_ppb"] is clock["phc_error_bound_ns"] is None


def ignore_and_block() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM})


@pytest.mark.parametrize(
    "before", [ignore_and_block, lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)]
)
def test_signals_that_the_parent_ignores(host: Host, before: Callable[[], None]) -> None:
    host.cipu()
    outcome = host.probe("--json", before=before)
    assert outcome.status == 0
    assert outcome.document["clocks"][0]["measurement"]["samples"] == 52


def test_a_thousand_samples_of_sixteen_clocks(host: Host) -> None:
    for index in range(16):
        host.clock(index, "nic", real_time=1)
    outcome = host.probe("--json", "--samples", "1000", program="variants/musl/clockprobe-sim")
    assert outcome.status == 0
    samples = [clock["measurement"]["samples"] for clock in outcome.document["clocks"]]
    assert samples == [1000] * 16


def test_watch_does_not_make_up_for_a_stop(host: Host) -> None:
    host.cipu()
    command = host.command("--json", "--watch", "1", program="variants/musl/clockprobe-sim")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        lines = [watch.stdout.readline()]
        watch.send_signal(signal.SIGSTOP)
        time.sleep(6.5)  # what is tested: the stop lasts several periods
        watch.send_signal(signal.SIGCONT)
        lines += [watch.stdout.readline() for _ in range(5)]
        watch.terminate()
    documents = [json.loads(line) for line in lines]
    assert all(d["clocks"][0]["measurement"]["status"] == "ok" for d in documents)
    # The run that is overdue comes at once, the next within a period, the others a period apart.
    assert documents[5]["taken_at_ns"] - documents[1]["taken_at_ns"] > 2e9


def test_a_dead_device_gives_no_number(host: Host) -> None:
    host.cipu()
    folder = host.root / "sys/bus/pci/devices/0000:00:10.0/cipu"
    for register in folder.glob("reg_*"):
        register.write_text("0xffffffff\n")
    outcome = host.probe("--json")
    assert outcome.status == 1
    (clock,) = outcome.document["clocks"]
    assert clock["measurement"]["status"] == "failed"
    assert "registers read 0xffffffff" in clock["measurement"]["reason"]
    assert clock["measurement"]["offset_ns"] is None
    assert set(clock["cipu"]["registers"].values()) == {None}
    assert clock["cipu"]["sync"] is clock["cipu"]["features"] is None
    assert "4294967295" not in outcome.out
    host.clock(1, "KVM virtual PTP", precise=1)
    assert "registers read 0xffffffff" in host.probe("--compare", "ptp1", "ptp0").out


def test_an_unknown_precision_is_said(host: Host) -> None:
    host.cipu()
    host.write("/sys/bus/pci/devices/0000:00:10.0/cipu/reg_tm_prec_ns", "0xffffffff\n")
    outcome = host.probe("--json")
    assert outcome.status == 0
    measured = outcome.document["clocks"][0]["measurement"]
    assert measured["claimed_precision_ns"] is None
    assert measured["reason"] == "the device does not state its precision: the uncertainty omits it"
    assert measured["uncertainty_ns"] < 10_000


@pytest.mark.parametrize("tick_ns", [1, 8, 500, 1000])
def test_ticks_widen_the_bound(host: Host, tick_ns: int) -> None:
    for seed in range(1, 21):
        host.cipu(0, "0000:00:10.0", offset_ns=777, tick_ns=tick_ns, seed=seed)
        measured = host.probe(
            "--json", "--samples", "16", program="variants/musl/clockprobe-sim"
        ).document["clocks"][0]["measurement"]
        assert measured["status"] == "ok"
        assert abs(measured["offset_ns"] - 777) <= measured["uncertainty_ns"]
        low, high = measured["interval_ns"]
        assert low <= 777 <= high
        assert tick_ns <= measured["phc_tick_ns"] <= 2 * tick_ns + 60


@pytest.mark.parametrize(
    ("precise", "method"),
    [
        ({"precise_jitter_ns": 2}, "precise"),
        ({"precise_jitter_ns": 20}, "precise"),
        ({"precise_errno": 110}, "extended"),
        ({"precise_errno": 5}, "extended"),
        ({"precise_errno": 16, "extended": 0}, "basic"),
    ],
)
def test_cross_timestamps(host: Host, precise: dict[str, int], method: str) -> None:
    for seed in range(1, 21):
        host.clock(0, "KVM virtual PTP", precise=1, offset_ns=4_321, seed=seed, **precise)
        outcome = host.probe("--json", program="variants/musl/clockprobe-sim")
        assert outcome.status == 0
        measured = outcome.document["clocks"][0]["measurement"]
        assert measured["method"] == method
        assert abs(measured["offset_ns"] - 4_321) <= measured["uncertainty_ns"]


@pytest.mark.parametrize(
    ("offset_ns", "is_hinted"),
    [(37_000_000_000, True), (36_600_000_000, True), (38_000_000_000, False), (0, False)],
)
def test_a_clock_that_shows_tai(host: Host, offset_ns: int, is_hinted: bool) -> None:
    host.cipu(offset_ns=offset_ns)
    measured = host.probe("--json").document["clocks"][0]["measurement"]
    assert (measured["hint"] is not None) == is_hinted
    assert ("probably shows TAI" in host.probe().out) == is_hinted


def test_what_a_device_states_beside_its_time(host: Host) -> None:
    host.clock(0, "ena-ptp-0000:00:05.0", "0000:00:05.0", adjustment_ppb=-250, max_phase_adj=400)
    host.write("/sys/bus/pci/devices/0000:00:05.0/phc_error_bound", "24123\n")
    (clock,) = host.probe("--json").document["clocks"]
    assert clock["kind"] == "ena"
    assert clock["phc_error_bound_ns"] == 24_123
    assert clock["frequency_adjustment_ppb"] == -250
    assert clock["capabilities"]["max_phase_adj_ns"] == 400
    out = host.probe().out
    assert "error bound stated by the device: 24.123 us" in out
    assert "frequency is adjusted by -250.000 ppb" in out


@pytest.mark.parametrize("drift_ppb", [137, -50_000])
@pytest.mark.parametrize("apart_s", [5, 3600, 30_000])
@pytest.mark.parametrize("method", ["precise", "extended", "basic"])
def test_frequency_of_two_runs(host: Host, method: str, apart_s: int, drift_ppb: int) -> None:
    behaviour = {"drift_ppb": drift_ppb, "precise": int(method == "precise")}
    behaviour["extended"] = int(method != "basic")
    state = host.root / "state"
    for seed in range(1, 6):
        state.unlink(missing_ok=True)
        for uptime_s in (0, apart_s):
            host.clock(0, "nic", seed=seed, uptime_ns=uptime_s * 10**9, **behaviour)
            measured = host.probe(
                "--json", "--state", str(state), program="variants/musl/clockprobe-sim"
            ).document["clocks"][0]["measurement"]
        assert measured["method"] == method
        error_ppb = abs(measured["frequency_ppb"] - drift_ppb)
        assert error_ppb <= measured["frequency_uncertainty_ppb"]
        assert measured["frequency_uncertainty_ppb"] < 10_000 / apart_s
        assert measured["frequency_baseline_ns"] == pytest.approx(apart_s * 1e9, rel=0.1)
