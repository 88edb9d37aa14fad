# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of another architecture: their machine, their image, and how the image is built."""

import json
import re
from pathlib import Path

import pytest
from fleet import accel, binfmt, images, inventory, qemu, recipe, state
from fleet.aptsource import Mirror
from fleet.errors import LabError, UsageError
from fleet.machine import Machine, Spec, functions_in
from fleet.node import Node
from fleet.platforms import AMD64, ARM64, platform_of
from fleet.progress import silent

QEMU = qemu.Qemu(version=(11, 1), system=["qemu"], image=["qemu-img"])
ENABLED = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\noffset 0\n"


def _words(line: list[str], option: str) -> list[str]:
    return [line[index + 1] for index, word in enumerate(line) if word == option]


def test_an_arm64_machine_has_its_functions_on_root_ports(tmp_path: Path) -> None:
    functions = functions_in(tmp_path, ["cipu0", "ref0"], ARM64)
    assert [each.pci_address for each in functions] == ["0000:01:00.0", "0000:02:00.0"]
    spec = Spec(
        "m", tmp_path, Path("/k"), Path("/i"), functions=functions, platform=ARM64,
        absent=frozenset({"cipu0"}),
    )  # fmt: skip
    line = Machine(spec, QEMU).command()
    assert _words(line, "-machine") == ["virt,gic-version=3,memory-backend=memory"]
    assert _words(line, "-accel") == ["tcg,thread=multi"]
    assert _words(line, "-cpu") == ["max,pauth-impdef=on"]
    devices = _words(line, "-device")
    # The port of an absent function stays, so that the other one keeps its address.
    ports = [word for word in devices if word.startswith("pcie-root-port")]
    assert [re.findall("id=([a-z0-9-]+)", port) for port in ports] == [
        ["port-cipu0"],
        ["port-ref0"],
    ]
    plugged = [json.loads(word) for word in devices if word.startswith("{")]
    assert [(each["id"], each["bus"], each["addr"]) for each in plugged] == [
        ("ref0", "port-ref0", "0.0")
    ]


def test_an_arm64_guest_has_the_console_of_its_machine(tmp_path: Path) -> None:
    node = state.NodeState("n", "debian13-arm64", "/k", "/i", "/b", "key", 2222, 512, 1)
    node.architecture = "arm64"
    append = Node(node, tmp_path, Path("/key"), QEMU).machine.spec.append
    assert "console=ttyAMA0" in append
    assert "tsc=" not in append
    node.architecture = "amd64"
    assert "tsc=reliable" in Node(node, tmp_path, Path("/key"), QEMU).machine.spec.append


@pytest.mark.parametrize(
    ("architecture", "addresses"),
    [("amd64", ["0000:00:10.0", "0000:00:11.0"]), ("arm64", ["0000:01:00.0", "0000:02:00.0"])],
)
def test_the_inventory_has_the_addresses_of_the_functions(
    tmp_path: Path, architecture: str, addresses: list[str]
) -> None:
    made = state.NodeState("n", "debian13", "/k", "/i", "/b", "key", 2222, 512, 1)
    made.architecture = architecture
    made.functions = ["cipu0", "ref0"]
    found = inventory.variables(Node(made, tmp_path, Path("/key"), QEMU))["lab_functions"]
    assert found == dict(zip(("cipu0", "ref0"), addresses, strict=True))


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="no machine for riscv64"):
        platform_of("riscv64")


def test_an_arm64_image_has_packages_and_console_of_its_own(cache: Path) -> None:
    arm, amd = recipe.RECIPES["debian13-arm64"], recipe.RECIPES["debian13"]
    assert "linux-image-cloud-arm64" in recipe.packages(arm)
    assert "linux-headers-cloud-amd64" in recipe.packages(amd)
    assert not [name for name in recipe.packages(arm) if "amd64" in name or "{" in name]
    assert "serial-getty@ttyAMA0.service" in recipe.customize(arm)
    assert "serial-getty@ttyS0.service" in recipe.customize(amd)
    mirror = Mirror("http://one.example/debian", "http://one.example/s", "/k.gpg")
    command = images._mmdebstrap(arm, mirror, cache, cache / "disk")
    assert "--architectures=arm64" in command
    assert "--skip=cleanup/apt,check/qemu" in command


def test_a_foreign_guest_is_never_accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPU_ACCEL", "kvm")
    monkeypatch.setattr(binfmt.platform, "machine", lambda: "x86_64")
    assert accel.choose(QEMU, ARM64) == "tcg"
    assert accel.choose(QEMU, AMD64) == "kvm"
    monkeypatch.setenv("CIPU_ACCEL", "fast")
    with pytest.raises(UsageError, match="CIPU_ACCEL is 'fast'"):
        accel.choose(QEMU, ARM64)


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        (ENABLED, True),
        (ENABLED.replace("flags: F", "flags: OCF"), True),
        (ENABLED.replace("flags: F", "flags: "), False),
        (ENABLED.replace("enabled", "disabled"), False),
        (None, False),
    ],
)
def test_only_a_registration_with_flag_f_is_usable(
    tmp_path: Path, text: str | None, usable: bool
) -> None:
    if text is not None:
        (tmp_path / "qemu-aarch64").write_text(text, encoding="ascii")
    assert binfmt.registered("arm64", tmp_path) is usable


def test_without_root_the_missing_registration_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binfmt, "native", lambda architecture: False)
    monkeypatch.setattr(binfmt, "_MISC", tmp_path)
    monkeypatch.setattr(binfmt.host, "is_root", lambda: False)
    monkeypatch.setattr(binfmt, "registered", lambda architecture: False)
    with pytest.raises(LabError, match="with flag F, which only root can do"):
        binfmt.ensure("arm64", silent)


def test_a_registration_has_flag_f_and_names_the_emulator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "register").touch()
    monkeypatch.setattr(binfmt, "native", lambda architecture: False)
    monkeypatch.setattr(binfmt, "_MISC", tmp_path)
    monkeypatch.setattr(binfmt, "registered", lambda architecture: False)
    monkeypatch.setattr(binfmt.host, "is_root", lambda: True)
    monkeypatch.setattr(binfmt.host, "program", lambda name: f"/usr/bin/{name}")
    said: list[str] = []
    binfmt.ensure("arm64", said.append)
    fields = (tmp_path / "register").read_text(encoding="ascii").split(":")
    assert fields[1:3] == ["qemu-aarch64", "M"]
    assert fields[6:] == ["/usr/bin/qemu-aarch64-static", "F"]
    magic, mask = (fields[at].encode().decode("unicode_escape") for at in (4, 5))
    assert len(magic) == len(mask) == 20
    assert "every process of this host" in said[0]
