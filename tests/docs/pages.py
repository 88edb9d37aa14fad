# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the documentation, and the blocks of commands in them that a test runs.

A comment before a block marks it: `<!-- test: KIND -->` in Markdown, `.. test: KIND` in
reStructuredText.

local     the commands run in a folder with the collection's archive and the README's inventory
checkout  the commands run in the checkout
syntax    each ansible-playbook command runs with --syntax-check; other commands do not run
"""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")])
RST = sorted(ROOT.glob("docs/docsite/rst/*.rst"))
KINDS = ("local", "checkout", "syntax")
MARK = re.compile(r"^(?:<!-- test: (\w+) -->|\.\. test: (\w+))$")
CODE_LANGUAGES = ("sh", "console", "")


class Block(NamedTuple):
    page: Path
    line: int
    kind: str | None
    commands: list[str]

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def commands(lines: list[str], prompt: bool) -> list[str]:
    """The commands of a block, without prompts, output and comments."""
    text = [line.strip() for line in lines]
    if prompt:
        text = [line.removeprefix("$ ") for line in text if line.startswith("$ ")]
    return [line for line in text if line and not line.startswith("#")]


def fenced(lines: list[str], start: int) -> tuple[str, list[str]]:
    end = next(i for i in range(start + 1, len(lines)) if lines[i].startswith("```"))
    return lines[start][3:].strip(), lines[start + 1 : end]


def indented(lines: list[str], start: int) -> tuple[str, list[str]]:
    body = []
    for line in lines[start + 1 :]:
        if line and not line.startswith(" "):
            break
        body.append(line)
    return lines[start].split("::")[1].strip(), body


def blocks(page: Path) -> list[Block]:
    """The blocks of shell commands of a page, marked or not."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found, inside = [], False
    for number, line in enumerate(lines):
        if line.startswith("```") and page.suffix == ".md":
            inside = not inside
            if not inside:
                continue
            language, body = fenced(lines, number)
        elif line.startswith(".. code-block::") and page.suffix == ".rst":
            language, body = indented(lines, number)
        else:
            continue
        mark = MARK.match(lines[number - 1]) if number else None
        if language in CODE_LANGUAGES or mark:
            kind = (mark.group(1) or mark.group(2)) if mark else None
            prompt = any(text.lstrip().startswith("$ ") for text in body)
            found.append(Block(page, number + 1, kind, commands(body, prompt)))
    return found


ALL = [block for page in [*MARKDOWN, *RST] for block in blocks(page)]


def readme_inventory() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```ini\n(.*?)```", text, re.DOTALL)
    assert found, "README.md has no inventory"
    return found.group(1)


def slugs(page: Path) -> set[str]:
    """What a link to a place in a page can name: headings by GitHub's rule, and explicit ids."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
    return named | set(re.findall(r'<a id="([^"]+)">', text))


def sections(page: Path) -> set[str]:
    """The ids that docutils gives to the sections of a page in reStructuredText."""
    lines = page.read_text(encoding="utf-8").splitlines()
    titles = [title for title, rule in itertools.pairwise(lines) if re.match(r"[-=~]{4,}$", rule)]
    return {re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}
