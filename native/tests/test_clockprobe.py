# SPDX-License-Identifier: GPL-3.0-or-later
"""clockprobe from outside: its output against the schema, its exit status, hostile hosts."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from made_host import BOOT_ID, BUILD, Host, Outcome


def run(*arguments: str, program: str = "clockprobe") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(BUILD / program), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_nothing_to_measure(host: Host) -> None:
    outcome = host.probe("--json")
    assert outcome.status == 3
    assert outcome.document["clocks"] == []
    assert outcome.document["boot_id"] == BOOT_ID
    assert outcome.document["clocksource"] == "kvm-clock"
    assert outcome.document["vmclock"] is None
    assert host.probe().out == "this host has no PTP clock\n"


def test_a_cipu_clock_is_measured(host: Host) -> None:
    host.cipu(offset_ns=12_345)
    host.link("/dev/ptp_cipu", "ptp0")
    outcome = host.probe("--json")
    assert outcome.status == 0, outcome.err
    (clock,) = outcome.document["clocks"]
    assert clock["kind"] == "cipu"
    assert clock["driver"] == "ptp_cipu"
    assert clock["pci_address"] == "0000:00:10.0"
    assert clock["links"] == ["/dev/ptp_cipu"]
    assert re.fullmatch("0[0-7]{3}", clock["mode"])
    measured = clock["measurement"]
    assert measured["status"] == "ok"
    assert measured["method"] == "extended"
    assert measured["samples"] == measured["tried"] == 52
    assert abs(measured["offset_ns"] - 12_345) <= measured["uncertainty_ns"]
    low, high = measured["interval_ns"]
    assert low <= 12_345 <= high
    # Half of a bracket of about 900 ns, 100 ns claimed, a few ns for the ticks.
    assert 500 < measured["uncertainty_ns"] < 700
    assert clock["cipu"]["features"] == ["epoch", "abnormal_irq", "recovery_irq"]
    assert clock["cipu"]["registers"]["epo_base_yr"] == 2020
    assert clock["cipu"]["own_reads"] == 52
    assert not any(clock["cipu"]["sync"].values())


def test_conditions_are_decoded(host: Host) -> None:
    host.cipu()
    host.write("/sys/bus/pci/devices/0000:00:10.0/cipu/reg_sync_stat", "0x92\n")
    (clock,) = host.probe("--json").document["clocks"]
    assert clock["cipu"]["sync"] == {
        "maintenance": False,
        "clock_abnormal": True,
        "busy": True,
        "device_error": True,
    }
    assert "atomic clock abnormal, busy, device error" in host.probe().out


def test_a_function_without_a_driver_is_a_failure(host: Host) -> None:
    host.function(driver=None)
    outcome = host.probe("--json")
    assert outcome.status == 1
    assert outcome.document["functions"] == [{"pci_address": "0000:00:10.0", "driver": None}]
    assert "0000:00:10.0 has no driver" in host.probe().out


@pytest.mark.parametrize(
    ("behaviour", "status", "method"),
    [
        ({"precise": 1}, "ok", "precise"),
        ({"extended": 0}, "ok", "basic"),
        ({"step_ns": 5_000_000, "step_after_ns": 20_000_000}, "inconsistent", "extended"),
        ({"system_step_ns": 5_000_000}, "ok", "extended"),
        ({"failures": 1_000_000}, "failed", "extended"),
        ({"offset_ns": -2_000_000_000_000_000_000}, "failed", "extended"),
    ],
)
def test_how_a_clock_behaves(
    host: Host, behaviour: dict[str, int], status: str, method: str
) -> None:
    host.cipu(0, "0000:00:10.0", **behaviour)
    outcome = host.probe("--json")
    measured = outcome.document["clocks"][0]["measurement"]
    assert measured["status"] == status
    assert measured["method"] == method
    assert outcome.status == (0 if status == "ok" else 1)
    if status != "ok":
        assert measured["reason"]
        assert measured["offset_ns"] is measured["uncertainty_ns"] is None
        assert measured["interval_ns"] is measured["least_bracket"] is None


def test_failures_are_counted_by_name(host: Host) -> None:
    host.cipu(failures=3, errno=16)
    measured = host.probe("--json").document["clocks"][0]["measurement"]
    assert measured["status"] == "ok"
    assert measured["failures"] == {"EBUSY": 3}
    assert measured["tried"] == measured["samples"] + 12


def test_a_clock_that_blocks_delays_no_other(host: Host) -> None:
    host.cipu(blocks=1)
    host.clock(1, "KVM virtual PTP", precise=1)
    started = time.monotonic()
    outcome = host.probe("--json")
    assert time.monotonic() - started < 20
    assert outcome.status == 1
    blocked, good = outcome.document["clocks"]
    assert blocked["measurement"]["reason"] == "the clock did not answer in time"
    assert good["measurement"]["status"] == "ok"
    assert good["kind"] == "kvm"


def test_many_clocks_that_block_end_together(host: Host) -> None:
    """Those that hang later get less time, and a clock that answers is measured all the same."""
    for index in (0, 1, 2, 4, 5):
        host.clock(index, "ptp_cipu", blocks=1)
    host.clock(3, "KVM virtual PTP", precise=1)
    started = time.monotonic()
    outcome = host.probe("--json")
    assert time.monotonic() - started < 25
    reasons = [clock["measurement"]["reason"] for clock in outcome.document["clocks"]]
    hung = "the clock did not answer in time"
    not_tried = "not tried: too many other clocks did not answer"
    assert reasons == [hung, hung, hung, None, hung, not_tried]
    assert outcome.status == 1


def test_a_reader_that_crashes_is_reported(host: Host) -> None:
    host.cipu(crashes=1)
    measured = host.probe("--json").document["clocks"][0]["measurement"]
    assert measured["reason"] == "the process that read the clock crashed"


def test_hostile_names_stay_data(host: Host) -> None:
    host.clock(0, "x", offset_ns=1)
    (host.root / "sys/class/ptp/ptp0/clock_name").write_bytes(b'a"\\\xff\xc0 b\n')
    outcome = host.probe("--json")
    assert outcome.document["clocks"][0]["name"] == 'a"\\\ufffd\ufffd b'
    assert 'name="a\\"\\\\?? b"' in host.probe("--openmetrics").out
    assert host.probe().out.isascii()


def test_one_clock_of_many(host: Host) -> None:
    host.cipu()
    host.clock(1, "KVM virtual PTP", precise=1)
    host.link("/dev/ptp_kvm", "ptp1")
    for name in ("/dev/ptp1", "ptp1", "/dev/ptp_kvm"):
        first, second = host.probe("--json", "--clock", name).document["clocks"]
        assert first["measurement"]["status"] == "skipped"
        assert second["measurement"]["status"] == "ok"
    outcome = host.probe("--json", "--list")
    assert outcome.status == 0
    assert {c["measurement"]["status"] for c in outcome.document["clocks"]} == {"skipped"}


def test_another_system_clock(host: Host) -> None:
    host.cipu(clockid=1)
    measured = host.probe("--json", "--clockid", "monotonic-raw").document["clocks"][0][
        "measurement"
    ]
    assert measured["status"] == "ok"
    assert measured["clockid"] == "monotonic-raw"
    host.write("/dev/ptp0", "clockid 0\n")
    outcome = host.probe("--json", "--clockid", "monotonic")
    assert outcome.status == 1
    assert "against monotonic" in outcome.document["clocks"][0]["measurement"]["reason"]


def test_two_clocks_against_each_other(host: Host) -> None:
    host.cipu(0, "0000:00:10.0", offset_ns=700_000, drift_ppb=20_000)
    host.cipu(1, "0000:00:11.0", offset_ns=-300_000, before_ns=9_000)
    outcome = host.probe("--json", "--compare", "0000:00:10.0", "/dev/ptp1")
    assert outcome.status == 0, outcome.err
    compared = outcome.document["compare"]
    assert compared["status"] == "ok"
    # 1 ms apart, and up to 2 us more by the drift of 20 ppm over the run. One bracket is 10 us.
    low, high = compared["interval_ns"]
    assert low <= 1_002_000
    assert high >= 1_000_000
    assert high - low < 13_000
    assert abs(compared["offset_ns"] - 1_001_000) <= compared["uncertainty_ns"] + 1_000
    assert "ptp0 - /dev/ptp1: +" in host.probe("--compare", "ptp0", "ptp1").out


def test_a_comparison_with_nothing(host: Host) -> None:
    host.cipu()
    outcome = host.probe("--compare", "ptp0", "ptp7")
    assert outcome.status == 1
    assert outcome.err == "clockprobe: there is no clock ptp7\n"
    host.clock(1, "KVM virtual PTP", failures=10_000)
    outcome = host.probe("--json", "--compare", "ptp0", "ptp1")
    assert outcome.status == 1
    assert outcome.document["compare"]["offset_ns"] is None
    assert outcome.document["compare"]["reason"].startswith("/dev/ptp1: 0 usable samples")


def test_state_sharpens_the_frequency(host: Host) -> None:
    state = str(host.root / "state")
    host.cipu(drift_ppb=50)
    first = host.probe("--json", "--state", state).document["clocks"][0]["measurement"]
    host.write("/dev/ptp0", "drift_ppb 50\nuptime_ns 3600000000000\n")
    second = host.probe("--json", "--state", state).document["clocks"][0]["measurement"]
    assert first["frequency_uncertainty_ppb"] > 1000
    assert second["frequency_baseline_ns"] == pytest.approx(3600e9, rel=0.01)
    assert second["frequency_uncertainty_ppb"] < 1
    assert abs(second["frequency_ppb"] - 50) <= second["frequency_uncertainty_ppb"]


def test_a_damaged_state_is_replaced_with_a_message(host: Host) -> None:
    state = host.root / "state"
    host.cipu()
    state.write_bytes(b"\x00rubbish")
    outcome = host.probe("--json", "--state", str(state))
    assert outcome.status == 0
    assert outcome.err.endswith("state is damaged or of another version: ignored and replaced\n")
    assert host.probe("--state", str(state)).err == ""


def test_a_state_that_cannot_be_written_fails_no_measurement(host: Host) -> None:
    host.cipu()
    outcome = host.probe("--json", "--state", "/proc/no/such")
    assert outcome.status == 0
    assert "cannot write the state to /proc/no/such: No such file" in outcome.err
    assert outcome.document["clocks"][0]["measurement"]["status"] == "ok"


def vmclock_page(**change: int) -> bytes:
    fields = {
        "size": (4, 4, 0x1000),
        "version": (8, 2, 1),
        "counter_id": (10, 1, 1),
        "marker": (16, 8, 2**64 - 1),
        "flags": (24, 8, 0x1FF),
        "status": (34, 1, 2),
        "tai_offset": (36, 2, 37),
        "period": (48, 8, 7378697629),
        "time_sec": (72, 8, 1_700_000_000),
    }
    page = bytearray(4096)
    page[:4] = b"VCLK"
    for name, (at, width, value) in fields.items():
        page[at : at + width] = change.get(name, value).to_bytes(width, "little")
    return bytes(page)


def test_vmclock(host: Host) -> None:
    host.path("/dev/vmclock0").write_bytes(vmclock_page())
    outcome = host.probe("--json")
    assert outcome.status == 3
    page = outcome.document["vmclock"]
    assert page["status"] == "ok"
    assert page["disruption_marker"] == 2**64 - 1
    assert page["disruption_changed"] is None
    assert page["notification_present"] is False
    assert page["clock_status"] == "synchronized"
    assert page["tai_offset_s"] == 37
    assert page["time_s"] == 1_700_000_000
    assert page["counter_hz"] == pytest.approx(2.5e9, rel=1e-6)


def test_vmclock_with_a_marker_and_no_time(host: Host) -> None:
    host.path("/dev/vmclock0").write_bytes(vmclock_page(counter_id=0xFF))
    page = host.probe("--json").document["vmclock"]
    assert page["counter_id"] == "invalid"
    assert page["time_s"] is page["counter_value"] is page["counter_hz"] is None
    assert page["time_type"] is page["smearing_hint"] is page["leap_indicator"] is None
    assert page["tai_offset_s"] is None
    assert "no time" in host.probe().out


def test_vmclock_that_was_disrupted(host: Host) -> None:
    state = str(host.root / "state")
    host.path("/dev/vmclock0").write_bytes(vmclock_page(marker=1))
    host.probe("--state", state)
    assert host.probe("--json", "--state", state).document["vmclock"]["disruption_changed"] is False
    host.path("/dev/vmclock0").write_bytes(vmclock_page(marker=2))
    assert host.probe("--json", "--state", state).document["vmclock"]["disruption_changed"] is True


def test_vmclock_of_rubbish(host: Host) -> None:
    host.path("/dev/vmclock0").write_bytes(os.urandom(4096))
    page = host.probe("--json").document["vmclock"]
    assert page == {
        "node": "/dev/vmclock0",
        "status": "failed",
        "reason": "the page has no VMClock magic",
    }


def test_output_is_replaced_as_a_whole(host: Host) -> None:
    target = host.root / "clock.prom"
    target.write_text("old")
    host.cipu()
    assert host.probe("--openmetrics", "--output", str(target)).out == ""
    assert target.read_text().endswith("# EOF\n")
    assert [p.name for p in host.root.glob("clock.prom*")] == ["clock.prom"]
    outcome = host.probe("--output", str(host.root / "no" / "such"))
    assert outcome.status == 1
    assert "cannot write the result to " in outcome.err
    assert "No such file or directory" in outcome.err


def test_a_full_disk_is_reported(host: Host) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(BUILD / "check/clockprobe-sim"), "--root", str(host.root)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


def test_watch_goes_on(host: Host) -> None:
    host.cipu()
    command = [str(BUILD / "check/clockprobe-sim"), "--root", str(host.root)]
    with subprocess.Popen(
        [*command, "--json", "--watch", "1"], stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        lines = [watch.stdout.readline() for _ in range(2)]
        watch.terminate()
    assert all('"status":"ok"' in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--no-such"], "unknown option"),
        (["--samples", "7"], "--samples takes 8 to 1000"),
        (["--samples", "1e9"], "--samples takes 8 to 1000"),
        (["--watch", "0"], "--watch takes 1 to 86400 seconds"),
        (["--clockid", "tai"], "--clockid takes"),
        (["--compare", "ptp0"], "--compare takes two clocks"),
        (["--compare", "a", "b", "--state", "x"], "--compare can be combined only with"),
        (["ptp0"], "unexpected argument"),
    ],
)
def test_usage(arguments: list[str], word: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert word in done.stderr


def test_help_and_version() -> None:
    assert "--openmetrics" in run("--help").stdout
    assert run("--version").stdout == "clockprobe 0.2.0\n"


def test_this_very_host() -> None:
    """The shipped program, whatever clocks there are here."""
    done = run("--json", program="static/clockprobe")
    assert done.returncode in {0, 1, 3}
    assert Outcome(done.returncode, done.stdout, done.stderr).document["boot_id"]


def test_a_node_that_is_another_device(host: Host) -> None:
    """The program without the simulator: /dev/null is no clock, nor is a plain file."""
    host.clock(0, "ptp_cipu")
    host.clock(1, "ptp_cipu")
    (host.root / "dev/ptp1").unlink()
    host.link("/dev/ptp1", "/dev/null")
    host.clock(2, "ptp_cipu")
    (host.root / "dev/ptp2").unlink()
    outcome = host.probe("--json", program="static/clockprobe")
    assert outcome.status == 1
    plain, null, gone = (clock["measurement"] for clock in outcome.document["clocks"])
    assert plain["reason"] == "/dev/ptp0 is not the device of this clock"
    assert null["failures"].keys() == {"ENOTTY"}
    assert gone["reason"] == "cannot open /dev/ptp2: No such file or directory"


def test_the_static_program_is_small_and_stands_alone() -> None:
    program = BUILD / "static/clockprobe"
    assert program.stat().st_size < 1_000_000
    headers = subprocess.run(
        ["readelf", "--file-header", "--program-headers", "--dynamic", str(program)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "INTERP" not in headers
    assert "NEEDED" not in headers
    assert "DYN (" in headers, "not position independent"
    assert "GNU_RELRO" in headers
