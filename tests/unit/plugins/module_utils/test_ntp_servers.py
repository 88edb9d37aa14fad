# SPDX-License-Identifier: GPL-3.0-or-later
"""NTP servers of former time daemons."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host import ntp_servers
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree


def of(folder, daemon, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ntp_servers.of_daemons(Tree(str(folder)), [daemon])


@pytest.mark.parametrize(
    ("files", "servers"),
    [
        ({"etc__systemd__timesyncd_conf": "[Time]\nNTP=a b\n#NTP=x\nFallbackNTP=c\n"}, ["a", "b"]),
        ({"etc__systemd__timesyncd_conf": "[Time]\nFallbackNTP=c\n"}, ["c"]),
        ({"etc__systemd__timesyncd_conf": "[Time]\n#NTP=\n"}, []),
        (
            {
                "etc__systemd__timesyncd_conf": "NTP=a\n",
                "etc__systemd__timesyncd_conf.d__1_conf": "NTP=b\n",
            },
            ["a", "b"],
        ),
        (
            {
                "etc__systemd__timesyncd_conf": "NTP=a\n",
                "usr__lib__systemd__timesyncd_conf.d__1_conf": "NTP=x\n",
                "run__systemd__timesyncd_conf.d__1_conf": "NTP=\nNTP=b\n",
            },
            ["b"],
        ),
        ({}, []),
    ],
)
def test_timesyncd(tmp_path, files, servers):
    assert of(tmp_path, "timesyncd", **files) == ["server " + name for name in servers]


@pytest.mark.parametrize("path", ["etc__ntp_conf", "etc__ntpsec__ntp_conf"])
def test_ntpd(tmp_path, path):
    text = "driftfile /x\nserver -4 a iburst # why\npool p iburst\nserver 127.127.1.0\n#server z\n"
    assert of(tmp_path, "ntpd", **{path: text}) == ["server a", "pool p"]


def test_openntpd(tmp_path):
    text = "listen on *\nserver a\nservers pool.example.org weight 5\n"
    assert of(tmp_path, "openntpd", etc__openntpd__ntpd_conf=text) == [
        "server a",
        "pool pool.example.org",
    ]


def test_hostile_configuration_is_bounded(tmp_path):
    text = "".join(f"server host{n}\n" for n in range(500)) + "server " + "x" * 5000 + "\n"
    assert len(of(tmp_path, "ntpd", etc__ntp_conf=text)) == ntp_servers.SERVERS_LIMIT
    assert of(tmp_path, "ntpd", etc__ntpsec__ntp_conf="server a\x07b\nserver\nserver -4\n") == []


def test_phc2sys_has_none(tmp_path):
    assert of(tmp_path, "phc2sys") == []
