# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples for AWX: surveys fit the playbooks, and the modules of awx.awx accept the arguments.

AWX does not run here. The modules of awx.awx check their arguments before they connect to it, so a
run against a closed port shows that the arguments are right. `make awx` downloads awx.awx.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
AWX = ROOT / "extensions/awx"
SURVEYS = sorted(AWX.glob("surveys/*.json"))
CACHE = Path(os.environ.get("CIPU_CACHE", ROOT / ".cache"))
COLLECTIONS = CACHE.absolute() / "awx"
WANTED = {"int": ("integer",), "float": ("float",), "bool": ("multiplechoice",)}
PORT_CLOSED = 9


def questions():
    """Each question with the variables of its playbook."""
    for path in SURVEYS:
        spec = yaml.safe_load((ROOT / f"playbooks/specs/{path.stem}.yml").read_text())
        for question in json.loads(path.read_text())["spec"]:
            yield pytest.param(question, spec, id=question["variable"])


@pytest.mark.parametrize(("question", "spec"), list(questions()))
def test_a_question_fits_the_variable_of_the_playbook(question, spec):
    option = spec[question["variable"]]
    if "choices" in option:
        assert (question["type"], question["choices"]) == ("multiplechoice", option["choices"])
    else:
        assert question["type"] in WANTED.get(option["type"], ("text", "textarea"))
    default = option["default"]
    if isinstance(default, list):
        assert [item.strip() for item in question["default"].split(",")] == list(map(str, default))
    elif isinstance(default, bool):
        assert yaml.safe_load(question["default"]) is default
        assert question["default"] in question["choices"]
    else:
        assert question["default"] == default


def test_the_surveys_are_up_to_date():
    command = [sys.executable, str(AWX / "generate"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
    assert SURVEYS


def test_every_playbook_and_survey_of_the_templates_exists():
    text = (AWX / "configure.yml").read_text()
    assert {f"{path.stem}.json" for path in SURVEYS} == set(
        re.findall(r"surveys/(\w+\.json)", text)
    )
    for name in set(re.findall(r"playbook: (\w+\.yml)", text)):
        assert (ROOT / "playbooks" / name).exists()


def run(playbook, *arguments):
    variables = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "CONTROLLER_HOST": f"http://127.0.0.1:{PORT_CLOSED}",
        "CONTROLLER_OAUTH_TOKEN": "unused",
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "ansible", "playbook", str(playbook), *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def ignoring(tmp_path):
    """A copy of the playbook that goes on after each failure; an argument may be replaced."""

    def copy(old="", new=""):
        text = (AWX / "configure.yml").read_text()
        assert old in text
        text = re.sub(
            r"^(    - name: Create .*)$",
            r"\1\n      ignore_errors: true",
            text.replace(old, new),
            flags=re.M,
        )
        (tmp_path / "configure.yml").write_text(text)
        if not (tmp_path / "surveys").exists():
            (tmp_path / "surveys").symlink_to(AWX / "surveys")
        return tmp_path / "configure.yml"

    return copy


needs_awx = pytest.mark.skipif(
    not (COLLECTIONS / "ansible_collections/awx/awx").is_dir(),
    reason="the collection awx.awx is not in the cache: make awx",
)
REFUSED = re.compile(
    r"Unsupported parameters|missing required arg|must be one of|is of type|unable to convert"
)


@needs_awx
def test_the_modules_of_awx_accept_the_arguments(ignoring):
    assert run(AWX / "configure.yml", "--syntax-check")[0] == 0
    status, text = run(ignoring())
    assert status == 0, text
    assert not REFUSED.search(text), text
    tasks = len(re.findall(r"^TASK \[", text, re.M))
    assert tasks == 7
    assert len(re.findall(r"Connection refused", text)) >= tasks


@needs_awx
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("job_slice_count:", "job_slices:"),
        ("job_type: run", "job_type: play"),
        ("forks: 50", "forks: many"),
    ],
)
def test_a_wrong_argument_is_found(ignoring, old, new):
    assert REFUSED.search(run(ignoring(old, new))[1])
