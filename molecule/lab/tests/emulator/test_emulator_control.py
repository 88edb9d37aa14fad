# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: a wrong request gets a sentence and changes nothing."""

import json
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vfio_client import PATIENCE_S, Client, ControlClient, Running


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"rubbish",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'"status"',
        b"{}",
        b'{"op": 5}',
        b'{"op": "no such thing"}',
        b'{"op": "status", "op": ["x"]}',
        b'{"op": "status", "more": 1}',
        b"[" * 5000,
        b'{"op": "set", "register": "thresh_us", "value": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_line_that_is_not_a_request_is_refused(
    shared_control: ControlClient, line: bytes
) -> None:
    reply = shared_control.raw(line)
    assert reply["ok"] is False
    assert reply["error"]
    assert shared_control.do("status")["ok"]


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({"op": "set"}, "register"),
        ({"op": "set", "register": "thresh_us"}, "value"),
        ({"op": "set", "register": "nothing", "value": 1}, "no register"),
        ({"op": "set", "register": "thresh_us", "value": 1 << 32}, "0xffffffff"),
        ({"op": "set", "register": "thresh_us", "value": -1}, "0xffffffff"),
        ({"op": "set", "register": "thresh_us", "value": "1"}, "integer"),
        ({"op": "set", "register": "thresh_us", "value": True}, "integer"),
        ({"op": "set", "register": "thresh_us", "value": None}, "must be"),
        ({"op": "set", "register": "tstamp_ns", "value": 1 << 64}, "tstamp_ns"),
        ({"op": "set", "register": ["thresh_us"], "value": 1}, "string"),
        ({"op": "counts", "reset": 1}, "true or false"),
        ({"op": "log", "limit": -1}, "limit"),
        ({"op": "log", "limit": 1e3}, "integer"),
        ({"op": "clock", "offset_ns": 1 << 64}, "64 bits"),
        ({"op": "clock", "noise_ns": -1}, "negative"),
        ({"op": "clock", "drift_ppb": 1e300}, "drift_ppb"),
        ({"op": "clock", "offset": 1}, "offset"),
        ({"op": "truth", "at_ns": "now"}, "at_ns"),
        ({"op": "truth", "at_ns": [1, 2.5]}, "at_ns"),
        ({"op": "truth", "at_ns": [0] * 5000}, "4096"),
        ({"op": "fault"}, "name"),
        ({"op": "fault", "name": "sunspots"}, "no fault"),
        ({"op": "fault", "name": "busy", "on": "yes"}, "true or false"),
        ({"op": "fault", "name": "busy", "delay_us": 5}, "no parameter"),
        ({"op": "fault", "name": "slow_reads"}, "delay_us"),
        ({"op": "fault", "name": "slow_reads", "delay_us": -5}, "delay_us"),
        ({"op": "fault", "name": "slow_reads", "delay_us": 10**9}, "delay_us"),
        ({"op": "fault", "name": "slow_reads", "delay_us": 1, "count": 0}, "count"),
        ({"op": "fault", "name": "slow_reads", "delay_us": 1, "sample": []}, "sample"),
        ({"op": "fault", "name": "lost_replies", "register": "dev"}, "register"),
        ({"op": "fault", "name": "bad_readback"}, "register"),
        ({"op": "fault", "name": "bad_readback", "register": "dev_feat"}, "register"),
        ({"op": "fault", "name": "refuse_version", "version": 1 << 32}, "version"),
        ({"op": "fault", "name": "reset", "config": 1}, "config"),
        ({"op": "interrupt", "vector": -1}, "vector"),
        ({"op": "interrupt", "count": 10**9}, "count"),
        ({"op": "clear", "what": "all"}, "what"),
    ],
)
def test_bad_requests_change_nothing(
    shared_control: ControlClient, request_: dict[str, Any], word: str
) -> None:
    before = shared_control.do("status")
    assert word in shared_control.refused(**request_)
    assert shared_control.do("status") == before


def test_a_value_that_is_not_a_number_changes_nothing(control: ControlClient) -> None:
    before = control.do("status")
    assert not control.raw(b'{"op": "clock", "drift_ppb": NaN}')["ok"]
    assert not control.raw(b'{"op": "clock", "drift_ppb": Infinity}')["ok"]
    assert control.do("status") == before


def test_status_reports_connection_and_registers(guest: Client, control: ControlClient) -> None:
    control.do("clock", offset_ns=7, drift_ppb=1.5, noise_ns=3)
    status = control.do("status")
    assert status["name"] == "cipu0"
    assert status["connected"] and status["listening"] and status["bus_master"]
    assert (status["dev_stat"], status["state"]) == (2, "DRIVER_OK")
    assert status["registers"]["gst_feat"] == 0xE
    clock = status["clock"]
    assert (clock["offset_ns"], clock["drift_ppb"], clock["noise_ns"]) == (7, 1.5, 3)


def test_requests_in_pieces_and_in_one(control: ControlClient) -> None:
    for piece in (b'{"op": "st', b'atus"}', b'\n{"op": "counts"}\n{"op": "log"}\n'):
        control.sock.sendall(piece)
    replies = [json.loads(control._file.readline()) for _ in range(3)]
    assert [reply["ok"] for reply in replies] == [True] * 3
    assert "registers" in replies[0] and "reads" in replies[1] and "log" in replies[2]


def test_a_too_long_line_ends_the_connection(emulator: Running, control: ControlClient) -> None:
    hostile = emulator.control()
    chunk = b"x" * 65536
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        for _ in range(100):
            hostile.sock.sendall(chunk)
    hostile.close()
    assert control.do("status")["ok"]


def test_a_client_that_reads_nothing_does_not_block_others(
    emulator: Running, control: ControlClient
) -> None:
    hostile = emulator.control()
    hostile.sock.settimeout(0.2)
    line = b'{"op": "status"}\n' * 1000
    with pytest.raises(TimeoutError):
        for _ in range(200):
            hostile.sock.sendall(line)
    assert control.do("status")["ok"]
    hostile.sock.settimeout(PATIENCE_S)
    assert all(json.loads(hostile._file.readline())["ok"] for _ in range(1000)), "no reply is lost"
    hostile.close()


def test_many_clients(emulator: Running, control: ControlClient) -> None:
    files = emulator.open_files(control)
    others = [emulator.control() for _ in range(31)]
    assert all(other.do("status")["ok"] for other in others)
    with socket.socket(socket.AF_UNIX) as late:
        late.settimeout(PATIENCE_S)
        late.connect(str(emulator.control_socket))
        assert late.recv(1) == b"", "one too many is turned away"
    for other in others:
        other.close()
    # Each close is processed before the reply to a later request.
    assert control.do("status")["ok"]
    assert emulator.open_files(control) == files


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
words = st.sampled_from(
    [
        "op", "status", "counts", "log", "set", "clock", "truth", "fault", "clear", "register",
        "value", "name", "on", "count", "limit", "at_ns", "step_ns", "drift_ppb", "busy", "config",
        "slow_reads", "delay_us", "thresh_us", "sync_stat", "reset", "return", "interrupt",
        "vector", "lost_replies",
    ]
)  # fmt: skip


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    op=words,
    rest=st.dictionaries(words, words | json_values, max_size=4),
)
def test_any_json_gets_an_answer(control: ControlClient, op: str, rest: dict[str, Any]) -> None:
    reply = control.raw(json.dumps({**rest, "op": op}).encode())
    assert reply["ok"] is True or (reply["ok"] is False and reply["error"])
    assert control.ask("status")["ok"]
