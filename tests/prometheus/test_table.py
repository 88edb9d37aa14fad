# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the scenario monitor is complete. The scenario itself plays it in a VM."""

from alert_table import ALERTS, FAULTS, LANES, LAST, NOT_FIRED, NOT_PLAYED

CASES = [case for lane in [*LANES.values(), LAST] for chain in lane for case in chain]


def test_each_alert_is_fired_by_a_fault_or_has_a_reason():
    fired = set().union(*(case.fires for case in CASES))
    assert fired | NOT_FIRED.keys() == set(ALERTS)
    assert not fired & NOT_FIRED.keys()


def test_each_fault_with_a_finding_is_played_or_has_a_reason():
    silent = {name for name, fault in FAULTS.items() if not fault["fires"]}
    played = {case.name for case in CASES}
    assert FAULTS.keys() - silent - played == NOT_PLAYED.keys()
    assert all(case.fires for case in CASES)


def test_each_chain_of_faults_ends():
    for lane in [*LANES.values(), LAST]:
        assert all("end" in chain[-1].fault for chain in lane)
