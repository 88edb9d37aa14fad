# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a host: written once, before the first change, and never misread."""

import base64
import json
import os
import stat

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host.commands import Outcome
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree
from ansible_collections.cipu.clock.plugins.modules import host_record
from ansible_collections.cipu.clock.plugins.modules.host_record import Unusable


class Module:
    def __init__(self, folder, check_mode=False, **params):
        self.check_mode = check_mode
        self.params = {
            "state": "present",
            "path": str(folder / "lib/before.json"),
            "files": [],
            "units": [],
            "driver": "ptp_cipu",
        }
        self.params.update(params)

    @staticmethod
    def atomic_move(source, destination):
        os.rename(source, destination)
        os.chmod(destination, 0o644)


def test_a_record_is_written_once_and_returned_unchanged(tmp_path):
    path = tmp_path / "chrony.conf"
    path.write_text("pool a\n")
    path.chmod(0o640)
    missing = str(tmp_path / "missing")
    module = Module(tmp_path, files=[str(path), missing])
    first = host_record.run(module)
    assert (first["changed"], first["existing"]) == (True, False)
    recorded = first["record"]["files"]
    assert recorded[missing] is None
    assert base64.b64decode(recorded[str(path)]["content"]) == b"pool a\n"
    assert recorded[str(path)]["mode"] == "0640"
    assert first["restore"] == [
        {"path": str(path), "content": "pool a\n", "mode": "0640"},
        {"path": missing, "state": "absent"},
    ]

    path.write_text("changed by the rollout\n")
    second = host_record.run(module)
    assert (second["changed"], second["existing"]) == (False, True)
    assert second["record"] == first["record"]


def test_the_record_is_private_and_complete(tmp_path):
    host_record.run(Module(tmp_path))
    path = tmp_path / "lib/before.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(str(path.parent)) == ["before.json"]
    assert json.loads(path.read_text())["schema"] == 1


def test_check_mode_writes_nothing(tmp_path):
    result = host_record.run(Module(tmp_path, check_mode=True))
    assert result["changed"]
    assert os.listdir(str(tmp_path)) == []
    host_record.run(Module(tmp_path))
    assert host_record.run(Module(tmp_path, check_mode=True, state="absent"))["changed"]
    assert (tmp_path / "lib/before.json").exists()


def test_absent_removes_the_record_and_its_empty_folder(tmp_path):
    host_record.run(Module(tmp_path))
    assert host_record.run(Module(tmp_path, state="absent"))["changed"]
    assert not (tmp_path / "lib").exists()
    assert not host_record.run(Module(tmp_path, state="absent"))["changed"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is corrupt"),
        ("{", "is corrupt"),
        ("[" * 100000, "is corrupt"),
        ("[]", "has schema null, not 1"),
        ('{"schema": 2}', "has schema 2, not 1"),
        ('{"schema": 1, "files": {}, "units": []}', "is incomplete"),
        (
            '{"schema": 1, "files": {}, "units": {}, "driver": {}, "servers": []}',
            "is incomplete",
        ),
    ],
)
def test_a_record_that_cannot_be_used_is_an_error_and_stays(tmp_path, text, reason):
    path = tmp_path / "lib/before.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(Unusable, match=reason):
        host_record.run(Module(tmp_path))
    assert path.read_text() == text


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_only_a_regular_file_is_a_record(tmp_path, kind):
    path = tmp_path / "lib/before.json"
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(str(path))
    else:
        path.symlink_to("/dev/null")
    for state in ("present", "absent"):
        with pytest.raises(Unusable, match="is not a regular file; nothing was changed"):
            host_record.run(Module(tmp_path, state=state))
    assert os.path.lexists(str(path))


def test_large_binary_and_linked_files(tmp_path):
    large, binary, link = tmp_path / "large", tmp_path / "binary", tmp_path / "link"
    large.write_bytes(b"x" * (host_record.CONTENT_LIMIT_BYTES + 1))
    binary.write_bytes(b"\xff\xfe")
    link.symlink_to("binary")
    result = host_record.run(Module(tmp_path, files=[str(large), str(binary), str(link)]))
    files = result["record"]["files"]
    assert files[str(large)]["content"] is None
    assert base64.b64decode(files[str(binary)]["content"]) == b"\xff\xfe"
    assert files[str(link)]["link"] == "binary"
    # Neither can be restored as text.
    assert result["restore"] == []


def test_anything_but_a_file_is_refused_before_anything_is_recorded(tmp_path):
    with pytest.raises(Unusable, match="is neither a regular file nor a symbolic link"):
        host_record.run(Module(tmp_path, files=[str(tmp_path)]))
    with pytest.raises(Unusable, match="is not an absolute path"):
        host_record.run(Module(tmp_path, files=["etc/chrony.conf"]))
    assert os.listdir(str(tmp_path)) == []


SHOWN = """Id=chrony.service
Names=chrony.service chronyd.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=ntp.service
Names=ntp.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
"""


def test_units_by_each_of_their_names(tmp_path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    names = ["chronyd.service", "ntp.service", "other.service"]
    asked = []

    def run(argv, _timeout_s):
        asked.append(argv)
        return Outcome(rc=0, out=SHOWN)

    units = host_record.unit_states(names, Tree(str(tmp_path)), run, lambda name: "/bin/" + name)
    assert asked[0][-3:] == names
    assert units["chronyd.service"] == {"load": "loaded", "active": "active", "enabled": "enabled"}
    assert units["ntp.service"]["load"] == "not-found"
    assert units["other.service"]["load"] == "not-found"


def test_ntp_servers_of_the_daemons_that_run(tmp_path):
    (tmp_path / "etc/systemd").mkdir(parents=True)
    (tmp_path / "etc/systemd/timesyncd.conf").write_text("[Time]\nNTP=a b\n")
    (tmp_path / "etc/ntp.conf").write_text("server c\n")
    states = {
        "systemd-timesyncd.service": {"active": "active"},
        "ntp.service": {"active": "inactive"},
        "chrony.service": {"active": "active"},
        "other.service": {"active": "active"},
    }
    servers = host_record.former_servers(Tree(str(tmp_path)), states)
    assert servers == {"timesyncd": ["server a", "server b"]}


def test_a_record_of_an_earlier_version_has_no_servers(tmp_path):
    path = tmp_path / "lib/before.json"
    path.parent.mkdir()
    path.write_text('{"schema": 1, "files": {}, "units": {}, "driver": {}}')
    assert host_record.run(Module(tmp_path))["record"]["servers"] == {}


def test_systemctl_that_fails_is_an_error(tmp_path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    with pytest.raises(Unusable, match="systemctl does not show the units: no bus"):
        host_record.unit_states(
            ["a.service"],
            Tree(str(tmp_path)),
            lambda argv, timeout_s: Outcome(rc=1, err="no bus"),
            lambda name: "/bin/" + name,
        )


def test_the_former_driver(tmp_path):
    base = tmp_path / "var/lib/dkms/ptp_cipu"
    (base / "0.1.0/6.1.0/x86_64/module").mkdir(parents=True)
    (base / "0.1.0/6.1.0/x86_64/module/ptp_cipu.ko").write_text("")
    (base / "kernel-6.1.0-x86_64").symlink_to("0.1.0/6.1.0/x86_64")
    (base / "0.1.1/6.1.0/x86_64/module").mkdir(parents=True)
    (tmp_path / "sys/module/ptp_cipu").mkdir(parents=True)
    (tmp_path / "sys/module/ptp_cipu/version").write_text("0.1.0\n")
    assert host_record.driver_state(Tree(str(tmp_path)), "ptp_cipu") == {
        "installed": {"6.1.0": "0.1.0"},
        "loaded": True,
        "loaded_version": "0.1.0",
    }
