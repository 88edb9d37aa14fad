# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, paths, variables, tables and pictures of the documentation are those of the tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages import MARKDOWN, ROOT, RST, sections, slugs

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(
    r"`((?:bench|docs|driver|extensions|meta|molecule|native|packaging|playbooks|plugins|roles|tests)"
    r"/[\w./-]+)`"
)
VARIABLE = re.compile(
    r"\bcipu_(?:audit|chrony|driver|eda|health|monitor|probe|remove|report|rollout)_[a-z_]*[a-z]\b"
)
PNG_LIMIT = 200_000


def identity(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", MARKDOWN, ids=identity)
def test_relative_links_lead_to_a_file_and_a_place_in_it(page: Path) -> None:
    broken = []
    for link in LINK.findall(page.read_text()):
        if "://" not in link:
            name, _, place = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists() or (place and place not in slugs(target)):
                broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", [*MARKDOWN, *RST], ids=identity)
def test_paths_exist(page: Path) -> None:
    missing = {path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()}
    assert missing == set()


def known_variables() -> set[str]:
    folders = ("playbooks", "roles", "extensions/eda")
    texts = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.yml")]
    metrics = (ROOT / "plugins/module_utils/_metrics/exposition.py").read_text()
    families = re.findall(r'"(chrony_[a-z_]+)": \(', metrics)
    return set(VARIABLE.findall("\n".join(texts))) | {f"cipu_{name}" for name in families}


KNOWN_VARIABLES = known_variables()


@pytest.mark.parametrize("page", [*MARKDOWN, *RST], ids=identity)
def test_variables_exist(page: Path) -> None:
    assert set(VARIABLE.findall(page.read_text())) - KNOWN_VARIABLES == set()


def test_runbook_links_of_alerts_lead_to_a_place() -> None:
    rules = yaml.safe_load((ROOT / "extensions/prometheus/cipu_clock.rules.yml").read_text())
    links = {
        rule["annotations"]["runbook_url"].partition("/cipu.clock/")[2]
        for group in rules["groups"]
        for rule in group["rules"]
    }
    broken = set()
    for link in links:
        page, _, place = link.partition("#")
        folder, name = page.removesuffix(".html").split("/")
        if folder == "reference":
            found = slugs(ROOT / f"docs/{name}.md")
        else:
            found = sections(ROOT / f"docs/docsite/rst/{name}.rst")
        if place not in found:
            broken.add(link)
    assert broken == set()


def test_every_guide_is_in_the_contents() -> None:
    contents = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text())
    listed = [name for section in contents["sections"] for name in section["toctree"]]
    assert sorted(listed) == sorted(page.stem for page in RST)


@pytest.mark.parametrize("script", ["docs/variables", "docs/docsite/pictures"])
def test_generated_parts_are_current(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs/docsite/images/report.png").stat().st_size < PNG_LIMIT
