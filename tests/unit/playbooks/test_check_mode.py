# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode reports what a run would do, on a host where nothing is installed yet."""

import os


def test_check_mode_on_a_fresh_host_with_empty_package_lists(fleet):
    """P14, with the real apt of this machine."""
    host = fleet.add("a")
    host.write("/simulated/no_headers", "")
    lists = host.path("/var/lib/apt/lists")
    lists.mkdir(parents=True)
    os.setxattr(lists, "trusted.overlay.opaque", b"y")
    before = host.files()
    done = fleet.play("rollout", "--check", cipu_driver_apt_cache_valid_time_s=86400)
    assert done.rc == 0, done.text
    assert (
        "changed: [a]" in done.text.split("Install DKMS and the kernel headers (Debian family)")[1]
    )
    after = host.files()
    assert {name for name in after if after[name] != before.get(name)} == set()


def test_check_mode_on_a_finished_host_changes_nothing_and_says_so(finished_fleet):
    host = finished_fleet.hosts["a"]
    before = host.files()
    done = finished_fleet.play("rollout", "--check", cipu_driver_install_packages=False)
    assert done.rc == 0
    assert done.recap["a"]["changed"] == 0
    assert host.files() == before
