# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox of the services of role monitor, as systemd itself rates it.

That the collector sees everything it reads is tested in the scenario monitor, where it runs.
"""

import pathlib
import shutil
import subprocess
import sys

import jinja2
import pytest
import yaml

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles/monitor"
# In tenths: systemd-analyze rates from 0 (best) to 10.
EXPOSURE_LIMIT = 20
VALUES = {
    "cipu_monitor_group": "_chrony",
    "cipu_monitor_library_path": "/usr/local/lib/cipu-clock",
    "cipu_monitor_output_path": "/var/lib/cipu-clock-monitor",
    "cipu_monitor_python": "/usr/bin/python3",
    "cipu_monitor_timeout_s": 20,
    "cipu_monitor_user": "cipu-monitor",
}
UNITS = yaml.safe_load((ROLE / "vars/main.yml").read_text())["cipu_monitor_units"]


def rendered(value):
    # As Ansible does it.
    engine = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)
    if isinstance(value, list):
        return [rendered(one) for one in value]
    return engine.from_string(value).render(VALUES)


def service(unit):
    item = {key: rendered(value) for key, value in unit.items()}
    engine = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)
    text = (ROLE / "templates/service.j2").read_text()
    return engine.from_string(text).render(VALUES, item=item)


@pytest.fixture(params=UNITS, ids=[unit["name"] for unit in UNITS])
def unit_file(request, tmp_path):
    path = tmp_path / "{0}.service".format(request.param["name"])
    path.write_text(service(request.param))
    return path


def offline():
    if not shutil.which("systemd-analyze"):
        return False
    text = subprocess.run(["systemd-analyze", "--help"], stdout=subprocess.PIPE, check=True).stdout
    return b"--offline" in text


@pytest.mark.skipif(sys.version_info < (3, 7), reason="the units are rendered on the controller")
@pytest.mark.skipif(not offline(), reason="systemd-analyze 250 or later rates unit files")
def test_the_exposure_of_each_service_is_low(unit_file):
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    command += ["--threshold={0}".format(EXPOSURE_LIMIT), str(unit_file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_no_service_has_both_network_and_clocks():
    for unit in UNITS:
        text = service(unit)
        assert "PrivateNetwork=yes" in text or "DeviceAllow=" not in text, unit["name"]


def test_the_service_that_compares_modules_can_read_them():
    """ProtectKernelModules hides /lib/modules, and four alerts could never fire."""
    (health,) = [unit for unit in UNITS if unit["name"] == "cipu-clock-health"]
    lines = service(health).splitlines()
    assert "ProtectKernelModules=yes" not in lines
    assert "CapabilityBoundingSet=" in lines
    assert "SystemCallFilter=~@privileged @resources" in lines
