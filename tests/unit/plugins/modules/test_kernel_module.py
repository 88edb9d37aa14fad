# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel_module module makes of parameters and of the kernel log. The rest runs in VMs."""

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.modules.kernel_module import advice, last_words, same

LOG = """
[    1.0] ptp_cipu 0000:00:10.0: the device refuses driver version 0x00010300
[    1.1] ptp_cipu 0000:00:10.0: probe with driver ptp_cipu failed with error -5
[    1.2] ptp_cipu 0000:00:11.0: registered as ptp1
[    1.3] ptp_cipu_other 0000:00:10.0: of another driver
"""


def test_parameters_are_compared_by_value():
    assert same("66304", "0x00010300")
    assert same("0x10300", 66304)
    assert same("Y", "Y")
    assert not same(None, "0x1")
    assert not same("1", "0x10300")


def test_the_drivers_own_sentence_is_preferred():
    told = last_words(LOG, "ptp_cipu", "0000:00:10.0")
    assert told == "the device refuses driver version 0x00010300"
    assert last_words(LOG, "ptp_cipu", "0000:00:12.0") is None
    only = "ptp_cipu 0000:00:10.0: probe with driver ptp_cipu failed with error -5"
    assert last_words(only, "ptp_cipu", "0000:00:10.0").startswith("probe with driver")


def test_a_refused_version_gets_its_own_advice():
    assert "driver_drv_ver" in advice(last_words(LOG, "ptp_cipu", "0000:00:10.0"))
    assert "kernel log" in advice(None)
