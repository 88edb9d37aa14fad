# SPDX-License-Identifier: GPL-3.0-or-later
"""The imports of the lab's packages form no circle, including imports inside functions."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1]


def imports(package: Path) -> dict[str, set[str]]:
    """For each module of a package, the modules of that package that it imports.

    Imports inside functions and for type checkers count too: they only hide a circle.
    """
    names = {path.stem for path in package.glob("*.py")} - {"__init__"}
    graph: dict[str, set[str]] = {}
    for path in package.glob("*.py"):
        found = graph.setdefault(path.stem, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                parts = (node.module or "").split(".")
                if node.level == 0 and parts.pop(0) != package.name:
                    continue
                found |= (
                    {parts[0]} if parts and parts[0] else {each.name for each in node.names}
                ) & names
            elif isinstance(node, ast.Import):
                dotted = [each.name.split(".") for each in node.names]
                found |= {
                    each[1] for each in dotted if each[0] == package.name and each[1:]
                } & names
    return graph


def circle(package: Path) -> list[str]:
    """A circle of imports, or nothing."""
    try:
        TopologicalSorter(imports(package)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("name", ["emulator", "fleet"])
def test_imports_form_no_circle(name: str) -> None:
    assert circle(LAB / name) == []


@pytest.mark.parametrize(
    "text",
    [
        "from . import b",
        "from .b import thing",
        "from p.b import thing",
        "import p.b",
        "def f():\n    from .b import thing",
        "if TYPE_CHECKING:\n    from .b import thing",
    ],
)
def test_a_circle_is_found_in_every_form(tmp_path: Path, text: str) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "__init__.py").write_text("from .p import thing\n", encoding="ascii")
    (package / "b.py").write_text("from .c import thing\n", encoding="ascii")
    (package / "c.py").write_text("import p.p\n", encoding="ascii")
    # A module may have the name of its package, as emulator/emulator.py has.
    (package / "p.py").write_text("import ast\nfrom ast import b\n", encoding="ascii")
    assert circle(package) == []
    (package / "p.py").write_text(f"{text}\n", encoding="ascii")
    assert set(circle(package)) == {"p", "b", "c"}
