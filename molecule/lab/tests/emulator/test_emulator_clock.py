# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock: host time, epoch, time scale, and its error at every instant."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from emulator.clock import ClockModel, days_before_year, epoch_base_ns
from hypothesis import given
from hypothesis import strategies as st
from vfio_client import INVALID, Client, ControlClient, Start

SECOND = 10**9


def year_ns(year: int) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (datetime(year, 1, 1, tzinfo=UTC) - epoch).days * 86400 * SECOND


def bracket(guest: Client) -> tuple[int, int, int]:
    before = time.time_ns()
    value = guest.read("tstamp_ns")
    return before, value, time.time_ns()


@given(st.integers(1, 9999))
def test_epoch_of_every_year_of_the_calendar(year: int) -> None:
    assert epoch_base_ns(year) == year_ns(year)


@given(st.integers(0, 0xFFFFFFFE))
def test_years_follow_each_other(year: int) -> None:
    assert days_before_year(year + 1) - days_before_year(year) in (365, 366)


@pytest.mark.parametrize(
    ("features", "zero_ns"),
    [
        (0xE, year_ns(2020)),
        (0xC, 0),
        (0xF, year_ns(2020) - 37 * SECOND),
        (0xD, -37 * SECOND),
    ],
)
def test_epoch_and_time_scale_follow_the_negotiation(
    client: Client, features: int, zero_ns: int
) -> None:
    client.bring_up(features)
    before, value, after = bracket(client)
    assert before <= value + zero_ns <= after


def test_base_year_and_leap_seconds_are_those_of_the_registers(
    client: Client, control: ControlClient
) -> None:
    control.do("set", register="epo_base_yr", value=1990)
    control.do("set", register="leap_sec", value=40)
    client.bring_up(0xF)
    before, value, after = bracket(client)
    assert before <= value + year_ns(1990) - 40 * SECOND <= after


@pytest.mark.parametrize("year", [0, 1969, 2400, 0xFFFFFFFF])
def test_extreme_base_years_stay_within_62_bits(
    client: Client, control: ControlClient, year: int
) -> None:
    control.do("set", register="epo_base_yr", value=year)
    client.bring_up()
    before, value, after = bracket(client)
    zero = epoch_base_ns(year)
    assert 0 <= value < 1 << 62
    assert (value - (before - zero)) % (1 << 62) <= after - before


def test_offset_step_and_truth(guest: Client, control: ControlClient) -> None:
    control.do("clock", offset_ns=5_000_000_000)
    before, value, after = bracket(guest)
    assert before + 5 * SECOND <= value + year_ns(2020) <= after + 5 * SECOND
    control.do("clock", step_ns=-7_000_000_000)
    before, value, after = bracket(guest)
    assert before - 2 * SECOND <= value + year_ns(2020) <= after - 2 * SECOND
    assert control.do("truth")["offset_ns"] == -2 * SECOND
    assert control.do("truth", at_ns=before)["offset_ns"] == -2 * SECOND


def test_truth_of_past_times(control: ControlClient) -> None:
    control.do("clock", offset_ns=111)
    first = control.do("status")["clock"]["anchor_ns"]
    control.do("clock", offset_ns=222)
    second = control.do("status")["clock"]["anchor_ns"]
    truths = control.do("truth", at_ns=[first, second, second + SECOND])["truth"]
    assert [truth["offset_ns"] for truth in truths] == [111, 222, 222]


def test_drift_moves_the_clock_by_the_reported_error(guest: Client, control: ControlClient) -> None:
    control.do("clock", offset_ns=0, drift_ppb=50_000_000)
    reads = [bracket(guest) for _ in range(200)]
    for before, value, after in reads:
        low, high = (
            one["offset_ns"] for one in control.do("truth", at_ns=[before, after])["truth"]
        )
        assert before + low <= value + year_ns(2020) <= after + high
    assert high > 0


def test_two_functions_differ_by_the_difference_of_their_truths(
    guest: Client, control: ControlClient, start: Start
) -> None:
    other = start("--offset-ns", "-123456", "--drift-ppb", "1000")
    reference = other.control()
    control.do("clock", offset_ns=1_000_000)
    with other.connect() as second:
        second.bring_up()
        at = time.time_ns()
        known = [c.do("truth", at_ns=at)["offset_ns"] for c in (control, reference)]
        assert known[0] - known[1] == pytest.approx(1_123_456, abs=100_000)
        before, one, _ = bracket(guest)
        _, two, after = bracket(second)
        assert abs((one - two) - (known[0] - known[1])) <= after - before + 1000
    reference.close()


def test_noise_stays_within_its_bound_and_is_there(guest: Client, control: ControlClient) -> None:
    control.do("clock", noise_ns=50_000_000)
    errors = []
    for _ in range(300):
        before, value, after = bracket(guest)
        stamp = value + year_ns(2020)
        assert before - 50_000_000 <= stamp <= after + 50_000_000
        errors.append(stamp - before)
    assert min(errors) < -10_000_000 and max(errors) > 10_000_000


def test_time_goes_forward(guest: Client) -> None:
    values = [guest.read("tstamp_ns") for _ in range(500)]
    assert values == sorted(values)


def test_a_frozen_timestamp_is_read_as_it_is(guest: Client, control: ControlClient) -> None:
    control.do("set", register="tstamp_ns", value=INVALID | 42)
    assert guest.read("tstamp_ns") == INVALID | 42
    control.do("set", register="tstamp_ns", value=None)
    assert guest.read("tstamp_ns") > 42


changes = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "offset_ns": st.integers(-(10**15), 10**15),
            "drift_ppb": st.floats(-1e6, 1e6),
            "noise_ns": st.integers(0, 10**6),
            "step_ns": st.integers(-(10**12), 10**12),
        },
    ),
    max_size=8,
)


@given(changes)
def test_the_error_jumps_only_by_requested_steps(steps: list[dict[str, Any]]) -> None:
    model = ClockModel()
    for step in steps:
        old = model.now
        new = model.change(**step)
        expected = step.get("offset_ns", old.error_at(new.anchor_ns)) + step.get("step_ns", 0)
        assert new.error_at(new.anchor_ns) == expected
        assert model.segment_at(new.anchor_ns) is new
        noise = new.noise_ns
        before = time.time_ns()
        value = model.reader(1000)() - 1000
        after = time.time_ns()
        low, high = sorted((before + new.error_at(before), after + new.error_at(after)))
        assert low - noise <= value <= high + noise
