# SPDX-License-Identifier: GPL-3.0-or-later
"""The files module and the reading of its source folder, on real folders."""

import hashlib
import os
import stat

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible_collections.cipu.clock.plugins.action.file_tree import collect
from ansible_collections.cipu.clock.plugins.modules import file_tree


class MadeUp:
    def __init__(self, check_mode=False, **params):
        self.check_mode = check_mode
        self.params = {
            "state": "present",
            "root": None,
            "src": None,
            "exclusive": False,
            "files": [],
        }
        self.params.update(params)

    @staticmethod
    def atomic_move(source, destination):
        # As Ansible's own does: a new file gets the default mode, another keeps the one it had.
        known = os.path.exists(destination)
        mode = stat.S_IMODE(os.stat(destination).st_mode) if known else 0o644
        os.rename(source, destination)
        os.chmod(destination, mode)


def item(path, content="x\n", mode="0644", state="present"):
    return {
        "path": str(path),
        "content": content,
        "src": None,
        "sha256": None,
        "mode": mode,
        "state": state,
    }


def actions(**params):
    return file_tree.run(MadeUp(**params)).actions


def test_a_file_is_written_once(tmp_path):
    path = tmp_path / "new" / "a.conf"
    assert actions(files=[item(path)]) == ["write {0}".format(path)]
    assert path.read_text() == "x\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert actions(files=[item(path)]) == []


def test_nothing_of_a_write_is_left_beside_the_file(tmp_path):
    actions(files=[item(tmp_path / "a")])
    assert os.listdir(str(tmp_path)) == ["a"]


def test_mode_alone_is_corrected(tmp_path):
    path = tmp_path / "a"
    actions(files=[item(path)])
    assert actions(files=[item(path, mode="0755")]) == ["chmod 0755 {0}".format(path)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_check_mode_tells_and_leaves(tmp_path):
    path = tmp_path / "a"
    assert actions(files=[item(path)], check_mode=True) == ["write {0}".format(path)]
    assert not path.exists()


def test_exclusive_removes_strangers_and_emptied_folders(tmp_path):
    root = tmp_path / "src" / "tree"
    (root / "old").mkdir(parents=True)
    (root / "old" / "gone.c").write_text("")
    wanted = [item("sub/kept.c")]
    told = actions(root=str(root), files=wanted, exclusive=True)
    assert told == ["write {0}/sub/kept.c".format(root), "remove {0}/old/gone.c".format(root)]
    assert sorted(os.listdir(str(root))) == ["sub"]
    assert actions(root=str(root), files=wanted, exclusive=True) == []


def test_absent_takes_the_files_and_the_root(tmp_path):
    root, other = tmp_path / "src" / "tree", tmp_path / "other"
    actions(root=str(root), files=[item("a"), item(other)])
    actions(root=str(root), files=[item(other)], state="absent")
    assert not root.exists()
    assert not other.exists()
    assert actions(root=str(root), files=[item(other)], state="absent") == []


def test_one_file_can_be_absent_among_others(tmp_path):
    gone, kept = tmp_path / "gone", tmp_path / "kept"
    gone.write_text("")
    actions(files=[item(gone, state="absent"), item(kept)])
    assert os.listdir(str(tmp_path)) == ["kept"]


@pytest.mark.parametrize(
    "params",
    [
        {"files": [item("relative")]},
        {"files": [item("../out")], "root": "/tmp/a/b"},
        {"exclusive": True},
        {"root": "/usr", "state": "absent"},
        {"root": "/", "state": "absent"},
        {"root": "/usr/../etc", "state": "absent"},
        {"src": "/somewhere"},
    ],
)
def test_what_makes_no_sense_is_refused(params):
    with pytest.raises(file_tree.Unusable):
        file_tree.run(MadeUp(check_mode=True, **params))


def test_a_folder_is_read_by_pattern_without_hidden_files(tmp_path):
    for name in ("a.c", "b.h", "b.o", ".hidden.c", "sub/c.c", ".git/d.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "a.c").chmod(0o755)
    found = collect(str(tmp_path), ["*.c", "*.h"])
    assert [(entry["path"], entry["mode"]) for entry in found] == [
        ("a.c", "0755"),
        ("b.h", "0644"),
        ("sub/c.c", "0644"),
    ]
    assert found[2]["content"] == "sub/c.c"


def test_a_binary_is_sent_only_if_the_hosts_is_another(tmp_path):
    sent, path = tmp_path / "sent", tmp_path / "bin"
    sent.write_bytes(b"\x00\xff")
    wanted = item(path, mode="0755")
    wanted["sha256"] = hashlib.sha256(b"\x00\xff").hexdigest()
    first = file_tree.run(MadeUp(files=[wanted]))
    assert (first.unsent, path.exists()) == ([str(path)], False)
    wanted["src"] = str(sent)
    assert file_tree.run(MadeUp(files=[wanted])).unsent == []
    assert path.read_bytes() == b"\x00\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    wanted["src"] = None
    again = file_tree.run(MadeUp(files=[wanted]))
    assert (again.actions, again.unsent) == ([], [])


def test_what_arrives_broken_is_not_taken(tmp_path):
    sent, path = tmp_path / "sent", tmp_path / "bin"
    sent.write_bytes(b"half")
    wanted = item(path)
    wanted.update(sha256=hashlib.sha256(b"whole").hexdigest(), src=str(sent))
    with pytest.raises(file_tree.Unusable):
        file_tree.run(MadeUp(files=[wanted]))
    assert not path.exists()


def test_what_was_there_can_be_put_back(tmp_path):
    kept, gone, new, same = (tmp_path / name for name in ("kept", "gone", "new", "same"))
    kept.write_text("before\n")
    kept.chmod(0o600)
    gone.write_text("gone\n")
    same.write_text("same\n")
    wanted = [
        item(kept, "after\n"),
        dict(item(gone, ""), state="absent"),
        item(new, "new\n"),
        item(same, "same\n"),
    ]
    tree = [item("tree", "beneath root\n")]
    former = file_tree.run(MadeUp(root=str(tmp_path / "root"), files=tree + wanted)).former
    assert [os.path.basename(told["path"]) for told in former] == ["kept", "gone", "new"]
    file_tree.run(MadeUp(files=[dict(item(told["path"], ""), **told) for told in former]))
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("before\n", 0o600)
    assert (gone.read_text(), new.exists()) == ("gone\n", False)


def test_a_program_goes_and_no_result_carries_its_bytes(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\xb2\x00")
    told = file_tree.run(MadeUp(state="absent", files=[item(program)]))
    assert not program.exists()
    assert told.former == []
    assert told.diff[0]["before"] == "(6 bytes that are no text)\n"
