# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core makes of the release files of each distribution, and the family of the roles.

The files have the fields that the distributions publish. The code that reads them is
ansible-core's, in a folder instead of /etc.
"""

from pathlib import Path

import jinja2
import pytest
import yaml

pytest.importorskip("ansible.module_utils.facts.system.distribution")

from ansible.module_utils import distro
from ansible.module_utils.facts.system import distribution

ROOT = Path(__file__).resolve().parents[3]
LIKE_RHEL = "rhel fedora centos"


def files(name, version, own_id, like, *release_files):
    """The os-release of a distribution, and other files with its name and version."""
    text = f'NAME="{name}"\nVERSION="{version}"\nID="{own_id}"\nVERSION_ID="{version.split()[0]}"\n'
    text += f'ID_LIKE="{like}"\nPRETTY_NAME="{name} {version}"\n' if like else ""
    return {"os-release": text, **dict.fromkeys(release_files, f"{name} release {version}\n")}


RED = ("redhat-release", "system-release")
SYSTEMS = {
    "alinux 3": files("Alibaba Cloud Linux", "3 (Soaring Falcon)", "alinux", LIKE_RHEL, *RED),
    "alinux 3 without redhat-release": files(
        "Alibaba Cloud Linux", "3 (OpenAnolis Edition)", "alinux", LIKE_RHEL
    ),
    "anolis 8": files("Anolis OS", "8.10", "anolis", LIKE_RHEL, *RED, "anolis-release"),
    "anolis 23": files("Anolis OS", "23", "anolis", "", "system-release", "anolis-release"),
    "openEuler": files(
        "openEuler", "22.03 (LTS-SP3)", "openEuler", "", "openEuler-release", "system-release"
    ),
    "centos": files("CentOS Stream", "9", "centos", "rhel fedora", *RED, "centos-release"),
    "rocky": files("Rocky Linux", "9.5 (Blue Onyx)", "rocky", LIKE_RHEL, *RED),
    "almalinux": files("AlmaLinux", "9.4 (Seafoam Ocelot)", "almalinux", LIKE_RHEL, *RED),
    "rhel": files("Red Hat Enterprise Linux", "9.4 (Plow)", "rhel", "fedora", *RED),
    "fedora": files("Fedora Linux", "41 (Forty One)", "fedora", "", *RED),
}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """distribution and os_family of a folder that stands for /etc."""

    def facts(content):
        (tmp_path / "etc").mkdir()
        for name, text in content.items():
            (tmp_path / "etc" / name).write_text(text)

        def inside(path):
            return str(tmp_path) + path

        content_of, exists = distribution.get_file_content, distribution._file_exists
        own = distro.LinuxDistribution(include_lsb=False, root_dir=str(tmp_path))
        monkeypatch.setattr(distribution, "get_file_content", lambda p: content_of(inside(p)))
        monkeypatch.setattr(distribution, "_file_exists", lambda p, **kw: exists(inside(p), **kw))
        monkeypatch.setattr(distribution, "get_distribution", lambda: own.id().capitalize())
        monkeypatch.setattr(distribution, "get_distribution_version", own.version)
        monkeypatch.setattr(distribution, "get_distribution_codename", own.codename)
        return distribution.Distribution(module=None).get_distribution_facts()

    return facts


@pytest.mark.parametrize("role", ["driver", "probe", "chrony", "monitor"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_system_belongs_to_the_rhel_family(read, role, name):
    variables = yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text())
    found = read(SYSTEMS[name])
    expression = jinja2.Template(variables[f"cipu_{role}_family_name"])
    relatives = {f"cipu_{role}_relatives": variables[f"cipu_{role}_relatives"]}
    assert expression.render(ansible_facts=found, **relatives) == "RedHat", found
