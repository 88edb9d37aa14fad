# SPDX-License-Identifier: GPL-3.0-or-later
"""The chrony_refclock module: its parsers, and its way through a made-up chronyd."""

import os

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.cipu.clock.plugins.modules import chrony_refclock
from ansible_collections.cipu.clock.plugins.modules.chrony_refclock import (
    failing_line,
    parse_version,
    selected_source,
    with_first,
)


def read(path):
    with open(path) as stream:
        return stream.read()


MAIN = "# mine\nconfdir {0}\npool 2.debian.pool.ntp.org iburst\n"
GOOD = "refclock PHC /dev/ptp_cipu refid CIPU poll 0\n"
BAD = "refclock PHC /dev/ptp_cipu refid CIPU poll 0 maxunreach 5 prefer\n"
KNOWN = {"refid", "poll", "dpoll", "delay", "prefer", "noselect"}
FLAGS = {"prefer", "noselect"}


class Daemon:
    """Speaks like chronyd 4.3 with few options, chronyc and systemctl, and counts restarts."""

    check_mode = False

    def __init__(self, folder, **params):
        self.folder = folder
        self.restarts = 0
        self.active = True
        self.params = {
            "state": "present",
            "content": GOOD,
            "path": str(folder / "conf.d" / "cipu.conf"),
            "config": str(folder / "chrony.conf"),
            "service": "chrony",
            "unit_content": "",
            "selects": "CIPU",
            "timeout_s": 0,
        }
        self.params.update(params)
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "chrony.conf").write_text(MAIN.format(folder / "conf.d"))

    @staticmethod
    def get_bin_path(name, opt_dirs=None):
        return "/usr/sbin/" + name

    @staticmethod
    def atomic_move(source, destination):
        os.rename(source, destination)

    def run_command(self, argv):
        name = os.path.basename(argv[0])
        return getattr(self, name)(argv[1:])

    def chronyd(self, argv):
        if argv == ["-v"]:
            return 0, "chronyd (chrony) version 4.3 (+CMDMON)\n", ""
        assert argv[:2] == ["-p", "-f"]
        if argv[3:]:
            return (0, "", "") if self.takes(argv[3]) else (1, "", "Fatal error : Invalid\n")
        text = read(argv[2])
        folders = text.split("confdir ")[1].split("\n")[0].split()
        for name in ("cipu.conf",):
            path = next(f + "/" + name for f in folders if os.path.exists(f + "/" + name))
            for number, line in enumerate(read(path).splitlines(), 1):
                if not self.takes(line.strip()):
                    said = "2026-01-01T00:00:00Z Fatal error : Invalid refclock option at line"
                    return 1, "", "{0} {1} in file {2}\n".format(said, number, path)
        return 0, "", ""

    @staticmethod
    def takes(line):
        words = line.split()[3:]
        while words:
            if words[0] not in KNOWN or (words[0] not in FLAGS and len(words) < 2):
                return False
            words = words[1 if words[0] in FLAGS else 2 :]
        return True

    def chronyc(self, _argv):
        path = self.params["path"]
        text = read(path) if os.path.exists(path) else ""
        chosen = "CIPU" in text and "noselect" not in text
        return (
            0,
            "^,?,192.0.2.1,2,6,377,1,0,0,0\n#,{0},CIPU,0,0,377,1,0,0,0\n".format(
                "*" if chosen else "?"
            ),
            "",
        )

    def systemctl(self, argv):
        if argv[0] == "restart":
            self.restarts += 1
        return 0 if self.active else 3, "", ""

    @staticmethod
    def journalctl(_argv):
        return 0, "a line\n", ""


def dropin(daemon):
    path = daemon.params["path"]
    return read(path) if os.path.exists(path) else None


def test_a_good_dropin_is_written_once(tmp_path):
    daemon = Daemon(tmp_path)
    chrony_refclock.Chrony(daemon).present()
    assert dropin(daemon) == GOOD
    assert daemon.restarts == 1
    again = chrony_refclock.Chrony(daemon)
    again.present()
    assert again.actions == []
    assert daemon.restarts == 1


def test_the_dropin_is_put_back_where_the_one_of_the_unit_cannot_be_written(tmp_path):
    daemon = Daemon(tmp_path)
    chrony_refclock.Chrony(daemon).present()
    daemon.params["content"] = GOOD + "# more\n"
    daemon.params["unit_content"] = "[Unit]\n"
    (tmp_path / "blocked").write_text("")
    work = chrony_refclock.Chrony(daemon)
    work.unit = str(tmp_path / "blocked" / "chrony.service.d" / "cipu.conf")
    with pytest.raises(chrony_refclock.Unwritable, match=r"cannot write .*blocked.*as it was"):
        work.present()
    assert dropin(daemon) == GOOD
    assert daemon.restarts == 1


def test_a_refused_option_is_named_and_nothing_is_changed(tmp_path):
    daemon = Daemon(tmp_path)
    chrony_refclock.Chrony(daemon).present()
    daemon.params["content"] = "# first\n" + BAD
    with pytest.raises(chrony_refclock.Unusable) as refusal:
        chrony_refclock.Chrony(daemon).present()
    told = str(refusal.value)
    assert "chrony 4.3 does not take the option maxunreach" in told
    assert "(line 2 of {0})".format(daemon.params["path"]) in told
    assert dropin(daemon) == GOOD
    assert daemon.restarts == 1
    assert sorted(os.listdir(str(tmp_path))) == ["chrony.conf", "conf.d"]


def test_what_is_not_selected_in_time_is_put_back(tmp_path):
    daemon = Daemon(tmp_path)
    chrony_refclock.Chrony(daemon).present()
    daemon.params["content"] = GOOD.replace("poll 0", "poll 0 noselect")
    work = chrony_refclock.Chrony(daemon)
    with pytest.raises(chrony_refclock.Unusable) as refusal:
        work.present()
    assert "had not selected CIPU after 0 s, but nothing" in str(refusal.value)
    assert work.rolled_back
    assert dropin(daemon) == GOOD
    assert daemon.restarts == 3


def test_a_first_dropin_that_fails_leaves_no_trace(tmp_path):
    daemon = Daemon(tmp_path, content=GOOD.replace("poll 0", "noselect"))
    with pytest.raises(chrony_refclock.Unusable):
        chrony_refclock.Chrony(daemon).present()
    assert os.listdir(str(tmp_path / "conf.d")) == []


def test_a_main_file_without_the_folder_is_told(tmp_path):
    daemon = Daemon(tmp_path)
    (tmp_path / "chrony.conf").write_text("pool a\nconfdir /elsewhere\n")
    with pytest.raises(chrony_refclock.Unusable) as refusal:
        chrony_refclock.Chrony(daemon).present()
    assert "has no line 'confdir" in str(refusal.value)
    assert dropin(daemon) is None


def test_check_mode_tests_and_leaves(tmp_path):
    daemon = Daemon(tmp_path)
    daemon.check_mode = True
    work = chrony_refclock.Chrony(daemon)
    work.present()
    assert work.actions[0].startswith("write ")
    assert dropin(daemon) is None
    assert daemon.restarts == 0
    daemon.params["content"] = BAD
    with pytest.raises(chrony_refclock.Unusable):
        chrony_refclock.Chrony(daemon).present()


def test_absent_removes_it_and_restarts_once(tmp_path):
    daemon = Daemon(tmp_path)
    chrony_refclock.Chrony(daemon).present()
    chrony_refclock.Chrony(daemon).absent()
    assert dropin(daemon) is None
    assert daemon.restarts == 2
    chrony_refclock.Chrony(daemon).absent()
    assert daemon.restarts == 2


def test_the_trial_folder_comes_first_in_every_confdir_that_names_the_folder():
    text = "confdir /a /etc/chrony/conf.d\nConfdir /etc/chrony/conf.d/\nconfdir /b\n"
    assert with_first(text, "/etc/chrony/conf.d", "/t") == (
        "confdir /t /a /etc/chrony/conf.d\nConfdir /t /etc/chrony/conf.d/\nconfdir /b\n"
    )
    assert with_first("#confdir /etc/chrony/conf.d\n", "/etc/chrony/conf.d", "/t") is None


def test_parsers():
    assert parse_version("chronyd (chrony) version 4.6.1 (+CMDMON)") == "4.6.1"
    assert parse_version("") is None
    said = "2026-11-22T17:01:08Z Fatal error : Invalid refclock option at line 2 in file /t/c.conf"
    assert failing_line(said) == (2, "/t/c.conf")
    assert failing_line("Fatal error : Could not open") is None
    assert selected_source("^,-,a,1\n#,*,CIPU,0\n") == "CIPU"
    assert selected_source("junk\n\n") is None
