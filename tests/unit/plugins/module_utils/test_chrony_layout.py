# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files chronyd reads: the layout against chronyd itself."""

import random
from pathlib import Path

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._chrony.configtest import (
    ConfigTest,
    Refused,
)
from ansible_collections.cipu.clock.plugins.module_utils._chrony.layout import (
    MARK,
    Layout,
    Trial,
    directive,
    matches,
    with_confdir,
    without_confdir,
)
from ansible_collections.cipu.clock.plugins.module_utils._host import commands

from ..modules.private_chrony import CHRONYD, needs_chronyd

SEEDS = 60


def printed(main):
    """The directives that chronyd reads, in its order."""
    done = commands.run([CHRONYD, "-p", "-f", str(main)], 10)
    return done.ok, done.out.splitlines()


def read_by_layout(layout):
    """The same by the layout: a line that reads files is replaced by their directives."""

    def lines(path):
        for line in (layout.content(path) or b"").decode().splitlines():
            read = layout.files(*directive(line))
            if read is None:
                if directive(line)[0]:
                    yield " ".join(line.split())
                continue
            for file in read:
                yield from lines(file)

    return list(lines(layout.main))


def random_layout(folder, seed):
    """A main file and folders that refer to each other in one direction, so that they end."""
    rng = random.Random(seed)
    folders = [folder / name for name in ("a", "b", "c.d", "e")]
    for place, sub in enumerate(folders):
        sub.mkdir()
        for name in rng.sample(["1.conf", "2.conf", "x.conf", "y.cfg", ".h.conf", "z.sources"], 3):
            text = f"server 192.0.2.{rng.randrange(1, 250)}\n"
            if rng.random() < 0.4:
                text += reference(rng, folders[place + 1 :])
            (sub / name).write_text(text)
    main = folder / "chrony.conf"
    text = "".join(
        rng.choice(["  ! confdir /x\n", "# include /y\n", "\n", "rtcsync\n", "server 192.0.2.1\n"])
        + (reference(rng, folders) if rng.random() < 0.7 else "")
        for _line in range(4)
    )
    main.write_text(text)
    return main


def reference(rng, folders):
    if not folders:
        return "rtcsync\n"
    some = rng.choice(folders)
    return rng.choice(
        [
            f"confdir {some}\n",
            f"ConfDir {some}/ {rng.choice(folders)}\n",
            f"confdir {some}/missing {some}\n",
            f"include {some}/*.conf\n",
            f"  include {some}/*\n",
            f"include {some}/[12x].c?nf\n",
            f"include {some}\n",
            f"include {some}/missing*\n",
        ]
    )


def accepted_layouts(folder):
    """Random layouts that chronyd accepts, with the directives that it reads."""
    for seed in range(SEEDS):
        (folder / str(seed)).mkdir()
        main = random_layout(folder / str(seed), seed)
        ok, lines = printed(main)
        if ok:
            yield seed, folder / str(seed), main, lines


@needs_chronyd
def test_the_layout_reads_what_chronyd_reads(tmp_path):
    accepted = 0
    for seed, folder, main, lines in accepted_layouts(tmp_path):
        accepted += 1
        assert read_by_layout(Layout(str(main))) == lines, (seed, main.read_text())
        # A trial copy reads the same, whatever the level of a file.
        (folder / "trial").mkdir()
        trial = Trial(Layout(str(main)), str(folder / "trial"), write)
        assert printed(trial.main) == (True, lines), (seed, main.read_text())
    assert accepted > SEEDS // 2


@needs_chronyd
def test_a_chosen_dropin_is_read_once_by_chronyd(tmp_path):
    chosen = 0
    for seed, folder, main, _lines in accepted_layouts(tmp_path):
        path = Layout(str(main)).dropin(str(folder / "a" / "cipu.conf"), volatile=())
        if path is None:
            continue
        chosen += 1
        write(path, b"maxclockerror 77\n")
        assert printed(main)[1].count("maxclockerror 77") == 1, (seed, main.read_text())
    assert chosen > SEEDS // 4


def write(path, content):
    Path(path).parent.mkdir(exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)


@needs_chronyd
def test_a_refused_line_of_a_nested_file_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.conf").write_text("rtcsync\n")
    (tmp_path / "a/2.conf").write_text("rtcsync\nbogus 1\n")
    main = tmp_path / "chrony.conf"
    main.write_text(f"rtcsync\nconfdir {tmp_path}/a\nrtcsync\n")
    with pytest.raises(Refused) as refusal:
        ConfigTest(commands.run, CHRONYD, "4.3").test(Layout(str(main)))
    assert f"refuses 'bogus 1' (line 2 of {tmp_path}/a/2.conf)" in str(refusal.value)


@needs_chronyd
@pytest.mark.parametrize("line", ["include {0}/none/*.conf", "include {0}/none", "confdir"])
def test_what_chronyd_cannot_read_is_refused(tmp_path, line):
    main = tmp_path / "chrony.conf"
    main.write_text("rtcsync\n" + line.format(tmp_path) + "\n")
    with pytest.raises(Refused, match=r"chrony 4.3 refuses"):
        ConfigTest(commands.run, CHRONYD, "4.3").test(Layout(str(main)))


def layout(folder, text):
    (folder / "chrony.conf").write_text(text.format(folder))
    return Layout(str(folder / "chrony.conf"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("confdir {0}/conf.d\n", "conf.d"),
        ("confdir {0}/other {0}/conf.d\n", "conf.d"),
        ("include {0}/conf.d/*.conf\n", "conf.d"),
        ("confdir {0}/other\n", "other"),
        ("include {0}/other/*.conf\n", "other"),
        ("include {0}/other/*.cfg\n", None),
        ("include {0}/conf.d\n", None),
        ("sourcedir {0}/conf.d\n", None),
        ("# confdir {0}/conf.d\n", None),
        ("confdir {0}/conf.d\nconfdir {0}/conf.d\n", None),
        ("confdir {0}/conf.d\nconfdir {0}/conf.d\nconfdir {0}/third\n", "third"),
        ("rtcsync\n", None),
    ],
)
def test_where_a_dropin_is_read(tmp_path, text, found):
    preferred = str(tmp_path / "conf.d" / "cipu.conf")
    wanted = found and str(tmp_path / found / "cipu.conf")
    assert layout(tmp_path, text).dropin(preferred, volatile=()) == wanted


def test_a_folder_that_does_not_last_is_not_chosen(tmp_path):
    assert (
        layout(tmp_path, "confdir /run/chrony.d\n").dropin("/etc/chrony/conf.d/cipu.conf") is None
    )


def test_a_file_of_the_same_name_in_an_earlier_folder_wins(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/cipu.conf").write_text("")
    read = layout(tmp_path, "confdir {0}/a {0}/b\n")
    assert read.times_read(str(tmp_path / "a/cipu.conf")) == 1
    assert (
        Layout(read.main, {str(tmp_path / "b/cipu.conf"): b""}).times_read(
            str(tmp_path / "b/cipu.conf")
        )
        == 0
    )


@pytest.mark.parametrize(
    "main", [b"", b"server a\n", b"server a", b"# x\n\nconfdir /other\n", b"a\r\n\xff\n"]
)
def test_the_marked_line_is_added_and_removed(main):
    added = with_confdir(main, "/etc/chrony.d")
    assert added.startswith(MARK.encode() + b"\nconfdir /etc/chrony.d\n")
    assert without_confdir(added) == main


def test_a_line_that_an_administrator_put_after_the_mark_stays():
    assert without_confdir(MARK.encode() + b"\nserver a\nconfdir /b\n") == b"server a\nconfdir /b\n"


@pytest.mark.parametrize(
    ("path", "pattern", "match"),
    [
        ("/a/b.conf", "/a/*.conf", True),
        ("/a//b.conf", "/a/*.conf", True),
        ("/a/b.conf", "/*/b.conf", True),
        ("/a/c/b.conf", "/a/*.conf", False),
        ("/a/.b.conf", "/a/*.conf", False),
        ("/a/.b.conf", "/a/.*.conf", True),
        ("/a/b.cfg", "/a/*.conf", False),
    ],
)
def test_matches(path, pattern, match):
    assert matches(path, pattern) is match
