# SPDX-License-Identifier: GPL-3.0-or-later
"""The file_tree module and the reading of its source folder, on real folders."""

import hashlib
import os
import stat

import pytest

pytest.importorskip("ansible.plugins.action", reason="an action plugin runs on the controller")

from ansible.errors import AnsibleActionFail
from ansible_collections.cipu.clock.plugins.action.file_tree import collect, merged, patterns
from ansible_collections.cipu.clock.plugins.modules import file_tree


class Simulated:
    def __init__(self, check_mode=False, **params):
        self.check_mode = check_mode
        self.params = {
            "state": "present",
            "root": None,
            "src": None,
            "exclusive": False,
            "files": [],
            "return_private": False,
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


def run(module):
    work, wanted = file_tree.prepare(module)
    file_tree.carry_out(work, wanted)
    return work


def actions(**params):
    return run(Simulated(**params)).actions


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


def test_check_mode_reports_and_changes_nothing(tmp_path):
    path = tmp_path / "a"
    assert actions(files=[item(path)], check_mode=True) == ["write {0}".format(path)]
    assert not path.exists()


def test_exclusive_removes_other_files_and_empty_folders(tmp_path):
    root = tmp_path / "src" / "tree"
    (root / "old").mkdir(parents=True)
    (root / "old" / "gone.c").write_text("")
    wanted = [item("sub/kept.c")]
    planned = actions(root=str(root), files=wanted, exclusive=True)
    assert planned == ["write {0}/sub/kept.c".format(root), "remove {0}/old/gone.c".format(root)]
    assert sorted(os.listdir(str(root))) == ["sub"]
    assert actions(root=str(root), files=wanted, exclusive=True) == []


def test_absent_removes_the_files_and_the_root(tmp_path):
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
def test_contradicting_options_are_refused(params):
    with pytest.raises(file_tree.Unusable):
        run(Simulated(check_mode=True, **params))


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
    first = run(Simulated(files=[wanted]))
    assert (first.unsent, path.exists()) == ([str(path)], False)
    wanted["src"] = str(sent)
    assert run(Simulated(files=[wanted])).unsent == []
    assert path.read_bytes() == b"\x00\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    wanted["src"] = None
    again = run(Simulated(files=[wanted]))
    assert (again.actions, again.unsent) == ([], [])


def test_a_file_with_a_wrong_checksum_is_not_written(tmp_path):
    sent, path = tmp_path / "sent", tmp_path / "bin"
    sent.write_bytes(b"half")
    wanted = item(path)
    wanted.update(sha256=hashlib.sha256(b"whole").hexdigest(), src=str(sent))
    with pytest.raises(file_tree.Unusable):
        run(Simulated(files=[wanted]))
    assert not path.exists()


def test_the_former_files_can_be_restored(tmp_path):
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
    module = Simulated(root=str(tmp_path / "root"), files=tree + wanted, return_private=True)
    former = run(module).former
    assert [os.path.basename(one["path"]) for one in former] == ["kept", "gone", "new"]
    run(Simulated(files=[dict(item(one["path"], ""), **one) for one in former]))
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("before\n", 0o600)
    assert (gone.read_text(), new.exists()) == ("gone\n", False)


def test_the_diff_of_a_removed_program_has_no_bytes_of_it(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\xb2\x00")
    removed = run(Simulated(state="absent", files=[item(program)]))
    assert not program.exists()
    assert removed.former == []
    assert removed.diff[0]["before"] == "(6 bytes that are no text)\n"


@pytest.mark.parametrize("spelled", ["//t-1", "/t-1/", "/x/../t-1", "/./t-1"])
def test_a_root_is_normalised(tmp_path, spelled):
    root = str(tmp_path / "src") + spelled
    wanted = [item("sub/a.c"), item("b.c")]
    first = actions(root=root, files=wanted, exclusive=True)
    assert first == ["write {0}/src/t-1/{1}".format(tmp_path, n) for n in ("sub/a.c", "b.c")]
    assert actions(root=root, files=wanted, exclusive=True) == []
    assert sorted(os.listdir(str(tmp_path / "src/t-1"))) == ["b.c", "sub"]


@pytest.mark.parametrize(
    "mode, bits",
    [("0644", 0o644), ("644", 0o644), ("0o600", 0o600), (0o644, 0o644), (0o755, 0o755)],
)
def test_modes_are_octal_strings_or_numbers(tmp_path, mode, bits):
    path = tmp_path / "a"
    actions(files=[item(path, mode=mode)])
    assert stat.S_IMODE(path.stat().st_mode) == bits
    assert actions(files=[item(path, mode=mode)]) == []


@pytest.mark.parametrize("mode", [644, "rw-r--r--", "999", "", None, True, -1, "u=rw", "07777"])
def test_other_modes_are_refused_before_anything_is_changed(tmp_path, mode):
    good, bad = tmp_path / "good", tmp_path / "bad"
    with pytest.raises(file_tree.Unusable, match="octal string"):
        run(Simulated(files=[item(good), item(bad, mode=mode)]))
    assert not good.exists()


def test_a_file_without_content_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_text("content\n")
    with pytest.raises(file_tree.Unusable, match="neither content nor src"):
        run(Simulated(files=[item(path, content=None)]))
    assert path.read_text() == "content\n"
    actions(files=[item(path, content="")])
    assert path.read_text() == ""


def make(path, kind):
    if kind == "link":
        target = path.with_name("target")
        target.write_text("target\n")
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(str(path))
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_regular_files_are_replaced(tmp_path, kind):
    path = tmp_path / "a"
    make(path, kind)
    before = os.lstat(str(path))
    with pytest.raises(file_tree.Unwritable, match="not a regular file"):
        run(Simulated(files=[item(path)]))
    assert os.lstat(str(path)).st_ino == before.st_ino
    if kind == "link":
        assert (tmp_path / "target").read_text() == "target\n"


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_only_files_and_links_are_removed(tmp_path, kind):
    path = tmp_path / "a"
    make(path, kind)
    with pytest.raises(file_tree.Unwritable):
        run(Simulated(files=[item(path, state="absent")]))
    assert path.exists()


def test_a_link_is_removed_and_not_followed(tmp_path):
    path = tmp_path / "a"
    make(path, "link")
    assert actions(files=[item(path, state="absent")]) == ["remove {0}".format(path)]
    assert (tmp_path / "target").read_text() == "target\n"


def test_an_unlisted_link_to_a_folder_is_removed(tmp_path):
    root, other = tmp_path / "src" / "tree", tmp_path / "other"
    root.mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("")
    (root / "link").symlink_to(other)
    wanted = [item("a.c")]
    assert "remove {0}/link".format(root) in actions(root=str(root), files=wanted, exclusive=True)
    assert (other / "kept").exists()
    assert actions(root=str(root), files=wanted, exclusive=True) == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_content_that_others_cannot_read_is_not_returned(tmp_path, state):
    path = tmp_path / "secret"
    path.write_text("PASSWORD\n")
    path.chmod(0o600)
    wanted = [item(path, "NEW PASSWORD\n", mode="0600", state=state)]
    asked = run(Simulated(files=wanted, check_mode=True, return_private=True))
    assert asked.former[0]["content"] == "PASSWORD\n"
    result = run(Simulated(files=wanted)).result()
    assert "PASSWORD" not in str(result)
    assert result["private"] == [str(path)]
    assert result["former"] == []


def test_a_file_that_becomes_private_is_not_shown(tmp_path):
    path = tmp_path / "secret"
    result = run(Simulated(files=[item(path, "PASSWORD\n", mode="0600")])).result()
    assert "PASSWORD" not in str(result)
    assert result["former"] == [{"path": str(path), "state": "absent"}]


class Real(Simulated):
    """With exit_json and fail_json of a real module."""

    def __init__(self, **params):
        Simulated.__init__(self, **params)
        self.ended = None

    def exit_json(self, **result):
        self.ended = dict(result, failed=False)

    def fail_json(self, **result):
        self.ended = dict(result, failed=True)
        raise SystemExit(1)


def test_a_failure_midway_reports_what_was_done(tmp_path, monkeypatch):
    kept, fifo = tmp_path / "kept", tmp_path / "fifo"
    kept.write_text("before\n")
    os.mkfifo(str(fifo))
    module = Real(files=[item(kept, "after\n"), item(fifo)])
    monkeypatch.setattr(file_tree, "AnsibleModule", lambda **_spec: module)
    with pytest.raises(SystemExit):
        file_tree.main()
    assert module.ended["failed"]
    assert "is a device, FIFO or socket" in module.ended["msg"]
    assert module.ended["actions"] == ["write {0}".format(kept)]
    assert module.ended["changed"] is True
    assert module.ended["former"][0]["content"] == "before\n"


def test_include_may_be_a_text():
    assert patterns("*.c") == ["*.c"]
    assert patterns("*.c, *.h") == ["*.c", "*.h"]
    assert patterns(["*.c"]) == ["*.c"]
    assert patterns(None) == ["*"]


def test_both_runs_are_reported_also_if_the_second_fails():
    first = {"actions": ["write a", "write b"], "former": [1], "diff": [1], "private": []}
    second = {"actions": ["write b"], "former": [], "diff": [2], "private": [], "failed": True}
    both = merged(first, second)
    assert both["actions"] == ["write a", "write b"]
    assert (both["former"], both["diff"], both["failed"]) == ([1], [1, 2], True)


def test_a_source_that_is_not_text_is_named(tmp_path):
    (tmp_path / "a.c").write_bytes(b"\xff\xfe")
    with pytest.raises(AnsibleActionFail, match=r"a\.c is not UTF-8 text"):
        collect(str(tmp_path), ["*"])
