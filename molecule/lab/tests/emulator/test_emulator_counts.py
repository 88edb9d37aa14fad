# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts and log of accesses, which tests of the driver rely on."""

from hypothesis import given, settings
from hypothesis import strategies as st
from vfio_client import DRV_VER, ENV_VER, OFFSETS, Client, ControlClient, Running


def test_the_bring_up_is_logged_in_order(client: Client, control: ControlClient) -> None:
    client.bring_up()
    expected = [
        ["w", "dev_stat", 1, 0],
        ["w", "gst_feat", 4, 0xE],
        ["w", "env_ver", 4, ENV_VER],
        ["w", "drv_ver", 4, DRV_VER],
        ["w", "dev_stat", 1, 1],
        ["w", "dev_stat", 1, 2],
        ["r", "dev_stat", 1, 2],
    ]
    log = control.do("log", limit=100)["log"]
    assert [entry[1:] for entry in log] == expected
    assert [entry[0] for entry in log] == list(range(1, 8))
    assert control.do("log", limit=2)["log"] == log[-2:]
    assert control.do("log", limit=0, clear=True)["log"] == []
    client.read("dev_feat")
    assert control.do("log")["log"] == [[8, "r", "dev_feat", 4, 0x0F]]


def test_timestamps_are_logged_on_demand(guest: Client, control: ControlClient) -> None:
    control.do("log", clear=True)
    guest.read("tstamp_ns")
    assert control.do("log", timestamps=True)["log"] == []
    value = guest.read("tstamp_ns")
    assert [entry[1:] for entry in control.do("log")["log"]] == [["r", "tstamp_ns", 8, value]]
    control.do("log", timestamps=False)
    guest.read("tstamp_ns")
    assert len(control.do("log")["log"]) == 1
    assert control.do("counts")["reads"]["tstamp_ns"] == 3


def test_the_log_is_bounded(guest: Client, control: ControlClient) -> None:
    for _ in range(5000):
        guest.write("thresh_us", 1)
    guest.read("dev_stat")
    assert len(control.do("log", limit=4096)["log"]) == 4096


def test_counts_can_be_reset(guest: Client, control: ControlClient) -> None:
    for _ in range(3):
        guest.read("tstamp_ns")
    control.do("fault", name="busy", on=True)
    before = control.do("counts", reset=True)
    assert before["timestamps"]["valid"] == 3
    assert before["interrupts"]["1"] == 1
    after = control.do("counts")
    assert set(after) == set(before)
    assert not any(after["reads"].values()) and not any(after["writes"].values())
    assert not any(after["timestamps"].values()) and not any(after["interrupts"].values())


def test_observable_changes_of_conditions_are_counted(
    guest: Client, control: ControlClient
) -> None:
    for _ in range(3):
        control.do("fault", name="clock_abnormal", on=True)
        control.do("fault", name="clock_abnormal", on=False)
    guest.read("sync_stat")
    control.do("fault", name="clock_abnormal", on=True)
    guest.read("sync_stat")
    control.do("fault", name="clock_abnormal", on=False)
    control.do("fault", name="clock_abnormal", on=True)
    guest.read("sync_stat")
    control.do("fault", name="clock_abnormal", on=False)
    guest.read("sync_stat")
    assert control.do("counts")["sync"]["clock_abnormal"] == {
        "set": 5,
        "cleared": 5,
        "seen_set": 1,
        "seen_cleared": 1,
    }


registers = st.sampled_from(sorted(OFFSETS))
accesses = st.lists(st.tuples(st.sampled_from("rw"), registers, st.integers(0, 255)), max_size=40)


def test_every_access_is_counted_once(emulator: Running) -> None:
    """The counts equal the accesses, for any accesses in any order."""
    control = emulator.control()
    with emulator.connect() as client:

        @settings(max_examples=60, deadline=None)
        @given(accesses)
        def run(steps: list[tuple[str, str, int]]) -> None:
            control.do("counts", reset=True)
            for kind, name, value in steps:
                if kind == "r":
                    client.read(name)
                else:
                    client.write(name, value, posted=False)
            counts = control.do("counts")
            for name, (_, width) in OFFSETS.items():
                del width
                done = [kind for kind, register, _ in steps if register == name]
                assert counts["reads"][name] == done.count("r")
                assert counts["writes"][name] == done.count("w")
            for side, kind in (("reads", "r"), ("writes", "w")):
                for width in (1, 2, 4, 8):
                    assert counts["by_width"][side][str(width)] == sum(
                        OFFSETS[name][1] == width for how, name, _ in steps if how == kind
                    )
            stamps = dict(counts["timestamps"])
            stamps.pop("delayed")
            assert sum(stamps.values()) == counts["reads"]["tstamp_ns"]

        run()
    control.close()


def test_faults_are_counted(guest: Client, control: ControlClient) -> None:
    for _ in range(2):
        control.do("fault", name="invalid_timestamps", count=3)
        for _ in range(5):
            guest.read("tstamp_ns")
    control.do("fault", name="busy")
    control.do("fault", name="busy", on=False)
    control.do("fault", name="all_ones")
    guest.read("thresh_us")
    guest.write("dev_stat", 0, posted=False)
    control.do("fault", name="vanish")
    control.do("clear")
    assert control.do("counts")["faults"] == {
        "invalid_timestamps": {"started": 2, "hits": 6},
        "busy": {"started": 1, "hits": 0},
        "all_ones": {"started": 1, "hits": 2},
        "vanish": {"started": 1, "hits": 0},
    }
