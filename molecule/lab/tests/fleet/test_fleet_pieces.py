# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, waits, saved state, keys of images, the inventory."""

import io
import json
import socket
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from fleet import aptsource, images, inventory, keys, ports, recipe, state
from fleet.errors import LabError, TimeoutExpiredError, UsageError
from fleet.machine import Machine, Spec, functions_in
from fleet.node import Node
from fleet.qemu import Qemu
from fleet.waiting import CancelledError, until

MIRROR = aptsource.Mirror("http://one.example/debian", "http://one.example/s", "/k.gpg")
QEMU = Qemu(version=(11, 1), system=["qemu"], image=["qemu-img"])
NODE = state.NodeState(
    name="node1",
    image="debian12",
    kernel="/k",
    initrd="/i",
    backing="/b",
    host_key="ssh-ed25519 AAAA",
    ssh_port=2222,
    memory=512,
    vcpus=1,
    functions=["cipu0", "ref0"],
    devices=["vmclock"],
)


def test_free_ports_differ() -> None:
    assert len(set(ports.free(20))) == 20


def test_a_used_port_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as user:
        used = user.getsockname()[1]
        with pytest.raises(LabError, match=f"Port {used} is in use"):
            ports.from_base(used, 1)
    assert ports.from_base(used, 1) == [used]


@pytest.mark.parametrize("base", [0, 80, 65535])
def test_ports_out_of_range_are_refused(base: int) -> None:
    with pytest.raises(LabError, match="not all between"):
        ports.from_base(base, 2)


def test_a_wait_ends_by_answer_timeout_or_cancellation() -> None:
    answers = iter([None, False, "yes"])
    assert until(lambda: next(answers), 30, "yes", pace=0) == "yes"
    with pytest.raises(TimeoutExpiredError, match=r"no: not within 0 s\."):
        until(lambda: None, 0, "no")
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(CancelledError):
        until(lambda: None, 3600, "no", cancelled)


def test_a_saved_state_is_loaded(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None
    written = state.LabState(private_key="/key", nodes=[NODE])
    state.save(tmp_path, written)
    assert state.load(tmp_path) == written


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99, "nodes": []}', '{"version":1}'])
def test_a_damaged_state_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="ascii")
    with pytest.raises(LabError, match="is damaged"):
        state.load(tmp_path)


def test_the_key_of_an_image_depends_on_its_recipe(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = keys.private_key()
    twelve, thirteen = recipe.RECIPES["debian12"], recipe.RECIPES["debian13"]
    first = images.key(twelve, MIRROR, own)
    assert images.key(twelve, MIRROR, keys.private_key()) == first
    assert images.key(thirteen, MIRROR, own) != first
    assert images.key(twelve, replace(MIRROR, main="http://two.example/d"), own) != first
    keys.make(cache / "other", "another")
    assert images.key(twelve, MIRROR, cache / "other") != first
    monkeypatch.setattr(recipe, "PACKAGES", (*recipe.PACKAGES, "tree"))
    assert images.key(twelve, MIRROR, own) != first


def test_guest_files_have_the_right_owner_and_mode(cache: Path) -> None:
    keys.make(cache / "host", "host")
    data = recipe.guest_files("ssh-ed25519 AAAA lab", cache / "host")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entries = {entry.name: entry for entry in archive.getmembers()}
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
    assert entries["root/.ssh/authorized_keys"].mode == 0o600
    assert entries["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert entries["etc/initramfs-tools/hooks/lab"].mode == 0o755
    assert entries["etc/fstab"].mode == 0o644


def test_unknown_images_are_refused() -> None:
    with pytest.raises(UsageError, match="Unknown image: debian11"):
        images.ensure(["debian12", "debian11"])
    assert images.default_names(4) == ["debian12", "debian12", "debian13", "debian12"]


def test_both_inventories_have_the_same_content(tmp_path: Path) -> None:
    node = Node(NODE, tmp_path / "with space", Path("/key of mine"), QEMU)
    script = inventory.script([node])
    file = yaml.safe_load(inventory.yaml([node]))
    hosts = file["all"]["children"]["clocks"]["hosts"]
    assert hosts == script["_meta"]["hostvars"]
    assert script["clocks"]["hosts"] == ["node1"]
    assert hosts["node1"]["ansible_port"] == 2222
    assert (
        f"'-oUserKnownHostsFile={tmp_path}/with space/known_hosts'"
        in (hosts["node1"]["ansible_ssh_common_args"])
    )
    json.dumps(script)


def test_the_command_line_of_a_machine(tmp_path: Path) -> None:
    functions = functions_in(tmp_path, ["cipu0", "ref0"])
    assert [function.pci_address for function in functions] == ["0000:00:10.0", "0000:00:11.0"]
    spec = Spec(
        "m", tmp_path, Path("/k"), Path("/i"), "quiet", functions=functions, devices=["vmclock"],
        owned=True, accelerator="tcg",
    )  # fmt: skip
    line = Machine(spec, QEMU).command()
    assert "-netdev" not in line
    assert "-drive" not in line
    assert line[line.index("-append") + 1] == "quiet"
    assert line[line.index("-run-with") + 1] == "exit-with-parent=on"
    devices = [line[index + 1] for index, word in enumerate(line) if word == "-device"]
    assert json.loads(devices[1])["socket"]["path"] == str(tmp_path / "cipu0.sock")
    assert "vmclock" in devices


def test_a_too_long_socket_path_is_refused(tmp_path: Path) -> None:
    spec = Spec("m", tmp_path / ("x" * 120), Path("/k"), Path("/i"), accelerator="tcg")
    with pytest.raises(UsageError, match="too long for a socket"):
        Machine(spec, QEMU).start()
