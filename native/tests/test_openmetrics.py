# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenMetrics text, read by the parsers of the Prometheus client: names, series, precision."""

import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from made_host import Host
from prometheus_client import Metric, parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families

DOCS = Path(__file__).resolve().parents[2] / "docs" / "clockprobe.md"


def rich_host(host: Host) -> None:
    """Every family has a sample."""
    host.cipu(offset_ns=5_000, drift_ppb=137, adjustment_ppb=-3)
    host.clock(1, "ena-ptp-0000:00:05.0", "0000:00:05.0", failures=1, errno=210)
    host.write("/sys/bus/pci/devices/0000:00:05.0/phc_error_bound", "24123\n")
    host.path("/dev/vmclock0").write_bytes(
        b"VCLK"
        + (4096).to_bytes(4, "little")
        + b"\x01\0\x01\x00"
        + bytes(22)
        + b"\x02"
        + bytes(4061)
    )


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_parsers_accept_it(host: Host) -> None:
    rich_host(host)
    out = host.probe("--openmetrics").out
    assert out.endswith("# EOF\n")
    found = families(out)
    # The older format, which the textfile collector of node_exporter reads.
    assert list(parser.text_string_to_metric_families(out))
    for family in found.values():
        assert family.documentation, family.name
        assert family.name.startswith("clockprobe_")
        assert family.type in {"gauge", "counter", "summary"}


def test_no_series_occurs_twice(host: Host) -> None:
    for index, errno in enumerate((210, 211, 212, 5, 110)):
        host.clock(index, "ptp_cipu", failures=2, errno=errno)
    # Two errors without a name on one clock.
    host.clock(9, "KVM virtual PTP", precise=1, precise_errno=213, failures=1, errno=214)
    out = host.probe("--openmetrics").out
    series = [line.rsplit(" ", 1)[0] for line in out.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'clockprobe_read_failures{clock="ptp9",errno="E213"}' in out
    assert 'clockprobe_read_failures{clock="ptp9",errno="E214"}' in out
    families(out)


@pytest.mark.parametrize("offset_ns", [-37_000_000_123, 123_456_789_012_345_678, 1, -1])
def test_times_keep_every_nanosecond(host: Host, offset_ns: int) -> None:
    host.cipu(offset_ns=offset_ns, before_ns=0, after_ns=0)
    host.write("/dev/ptp0", f"offset_ns {offset_ns}\n")
    out = host.probe("--openmetrics").out
    (offset_s,) = re.findall(r"^clockprobe_offset_seconds\S* (\S+)$", out, re.M)
    (bound_s,) = re.findall(r"^clockprobe_offset_uncertainty_seconds\S* (\S+)$", out, re.M)
    exact = Decimal(offset_ns).scaleb(-9)
    assert abs(Decimal(offset_s) - exact) <= Decimal(bound_s)
    assert len(offset_s.split(".")[1]) == 9
    # The same number as in the JSON, whose digits are all there; the simulation is deterministic.
    measured = host.probe("--json").document["clocks"][0]["measurement"]
    assert Decimal(offset_s) == Decimal(measured["offset_ns"]).scaleb(-9)
    (taken_s,) = re.findall(r"^clockprobe_last_run_timestamp_seconds (\S+)$", out, re.M)
    assert re.fullmatch(r"\d{10}\.\d{9}", taken_s)


def test_values(host: Host) -> None:
    rich_host(host)
    outcome = host.probe("--openmetrics")
    for line in (
        'clockprobe_cipu_register{clock="ptp0",register="thresh_us"} 500',
        'clockprobe_measurement_success{clock="ptp0"} 1',
        'clockprobe_phc_error_bound_seconds{clock="ptp1"} 0.000024123',
        'clockprobe_read_failures{clock="ptp1",errno="E210"} 1',
        'clockprobe_cipu_function_bound{pci_address="0000:00:10.0"} 1',
        'clockprobe_cipu_condition{clock="ptp0",condition="busy"} 0',
        'clockprobe_cipu_events_total{clock="ptp0",event="gettm"} 0',
        "clockprobe_problems 0",
        "clockprobe_vmclock_clock_status 2",
    ):
        assert line in outcome.out.splitlines()
    # 17 digits: every double survives.
    pattern = r'^clockprobe_frequency_adjustment_ratio{clock="ptp0"} (\S+)$'
    (ratio,) = re.findall(pattern, outcome.out, re.M)
    assert float(ratio) == -3 / 1e9


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_it(host: Host) -> None:
    rich_host(host)
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=host.probe("--openmetrics").out,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # It reads the older format, in which HELP of a counter names the sample and not the family.
    assert done.stderr in {"", "clockprobe_cipu_events_total no help text\n"}


def test_what_is_unknown_has_no_series(host: Host) -> None:
    host.cipu(failures=100_000)
    host.write("/sys/bus/pci/devices/0000:00:10.0/cipu/reg_tm_prec_ns", "0xffffffff\n")
    out = host.probe("--openmetrics").out
    assert 'clockprobe_measurement_success{clock="ptp0"} 0' in out
    assert 'register="thresh_us"' in out
    assert "tm_prec_ns" not in out
    assert "4294967295" not in out
    assert not re.search(r"^clockprobe_(offset|frequency_offset|phc_error)\S+ ", out, re.M)


def test_the_documentation_lists_every_metric(host: Host) -> None:
    """And none that does not exist."""
    rich_host(host)
    samples = set(re.findall(r"^(clockprobe_\w+)", host.probe("--openmetrics").out, re.M))
    # /proc/stat of the simulated host does not move.
    samples.add("clockprobe_cpu_steal_ratio")
    documented = set(re.findall(r"^\| `(clockprobe_\w+)` \|", DOCS.read_text(), re.M))
    assert documented == samples
