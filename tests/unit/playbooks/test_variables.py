# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables as operators write them: checked first, refused in one sentence, booleans as text."""

import pytest

from . import fleet as fleet_module

OPTIONS = {"cipu_driver_install_packages": False}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (["cipu_rollout_batches=[1,0]"], "cipu_rollout_batches is [1,0]; it must be a list of"),
        (["cipu_rollout_batches=[1,150%]"], "cipu_rollout_batches is [1,150%]; it must be a list"),
        (["cipu_rollout_batches=[]"], "cipu_rollout_batches is []; it must be a list of"),
        (["cipu_rollout_revert=all"], "value of cipu_rollout_revert must be one of"),
        (["cipu_rollout_batch=1"], "cipu_rollout_batch"),
        (["cipu_rollout_max_fail_percentage=many"], "cipu_rollout_max_fail_percentage"),
    ],
)
def test_a_wrong_value_is_refused_before_a_host_is_contacted(fleet, variables, sentence):
    host = fleet.add("a")
    done = fleet.play("rollout", *(f"--extra-vars={text}" for text in variables))
    assert done.rc == 2
    assert sentence in done.line
    assert not (host.root / "connections").exists()


# P8, and the default, in every form in which a list can be given.
@pytest.mark.parametrize("text", ["[1,50%]", "1,50%", "100%", '["1", "50%"]'])
def test_batches_are_accepted_as_text(fleet, text):
    fleet.add("a", clock=False)
    done = fleet.play("rollout", f"--extra-vars=cipu_rollout_batches='{text}'")
    assert done.rc == 0, done.text


SUDO = r"""#!/bin/sh
[ -d /simulated ] || : >"${0%/*}/on_controller"
while [ "$1" != /bin/sh ]; do shift; done
exec "$@"
"""
INI = """[clocks]
a {connection}
[clocks:vars]
cipu_driver_install_packages=false
cipu_driver_reload=false
cipu_driver_drv_ver=0x00010301
cipu_rollout_batches=[1,50%]
ansible_become={become}
ansible_become_exe={sudo}
"""


@pytest.fixture
def core216():
    python = fleet_module.core216()
    if python is None:
        pytest.skip("ansible-core 2.16 is not installed: run make unit once")
    return python


@pytest.mark.parametrize("core", ["current", "2.16"])
def test_an_ini_inventory_with_become_means_what_it_says(request, fleet, core):
    """P7 and P10: booleans are text there, and nothing on the controller runs with become."""
    if core == "2.16":
        fleet.python = request.getfixturevalue("core216")
    host = fleet.add("a")
    # "sudo" is a plain shell on the host. On the controller it writes a mark.
    sudo = fleet.folder / "sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    host.write("/usr/local/bin/simulated-sudo", sudo.read_text())
    host.path("/usr/local/bin/simulated-sudo").chmod(0o755)
    inventory = fleet.folder / "hosts.ini"
    connection = " ".join(f"{key}={value}" for key, value in host.variables.items())
    inventory.write_text(INI.format(connection=connection, become="true", sudo="simulated-sudo"))
    fleet.environment["PATH"] = f"{fleet.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
    (fleet.folder / "bin").mkdir()
    (fleet.folder / "bin/simulated-sudo").symlink_to(sudo)
    done = fleet.play(
        "rollout", "--extra-vars=cipu_driver_install_packages=false", inventory=inventory
    )
    assert done.rc == 0, done.text
    assert "is not changed" not in done.text, done.text
    assert not (fleet.folder / "bin/on_controller").exists()
    assert host.state()["params"] == {"drv_ver": "0x00010301"}
    options = host.path("/etc/modprobe.d/ptp_cipu.conf").read_text()
    assert options == "options ptp_cipu drv_ver=0x00010301\n"


def test_packages_are_not_installed_where_text_says_so(fleet):
    host = fleet.add("a")
    host.write("/simulated/no_headers", "")
    done = fleet.play("rollout", "--extra-vars=cipu_driver_install_packages=false")
    assert done.rc == 2
    assert "Kernel 6.1.0-40-amd64 has no headers: install" in done.line
    assert "dkms installed 0.2.0" not in host.log()


@pytest.mark.parametrize(("tag", "accepted"), [("notest", True), ("cipu_chrony_run", False)])
def test_only_a_whole_run_is_accepted(finished_fleet, tag, accepted):
    """molecule, among others, skips tags that no role has."""
    stamp = finished_fleet.hosts["a"].path("/var/lib/cipu-clock/rollout.sha256")
    stamp.unlink()
    assert finished_fleet.play("rollout", "--skip-tags", tag, **OPTIONS).rc == 0
    assert stamp.exists() == accepted


@pytest.mark.parametrize("playbook", ["rollout", "remove"])
def test_a_run_with_one_tag(finished_fleet, playbook):
    """P9."""
    phases = ["preflight", "install", "configure", "run"]
    tags = {
        "rollout": [f"cipu_driver_{phase}" for phase in phases],
        "remove": ["cipu_driver_preflight", "cipu_driver"],
    }
    for tag in tags[playbook]:
        finished_fleet.hosts["a"].path("/var/lib/cipu-clock/rollout.sha256").unlink(missing_ok=True)
        done = finished_fleet.play(playbook, "--tags", tag, **OPTIONS)
        assert done.rc == 0, done.text


def test_the_path_of_clockprobe_is_honoured_and_so_is_limit(fleet):
    """P11."""
    for name in ("a", "b"):
        fleet.add(name)
    host = fleet.hosts["b"]
    options = {"cipu_probe_path": "/opt/clock/clockprobe", **OPTIONS}
    done = fleet.play("rollout", "--limit", "b", **options)
    assert done.rc == 0, done.text
    assert not (fleet.hosts["a"].root / "connections").exists()
    assert host.path("/opt/clock/clockprobe").exists()
    assert not host.path("/usr/local/bin/clockprobe").exists()
    assert fleet.play("rollout", "--limit", "b", **options).recap["b"]["changed"] == 0
    assert fleet.play("remove", "--limit", "b", **options).rc == 0
    assert not host.path("/opt/clock/clockprobe").exists()
