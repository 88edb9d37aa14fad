# SPDX-License-Identifier: GPL-3.0-or-later
"""Every static check of the collection: `nox --list` names them, `make lint` runs all of them.

The sessions of antsibull-nox (docs-check, extra-checks) make environments of their own. The others
run in the environment of `make setup`, whose programs are on PATH.
"""

import os
from pathlib import Path

import antsibull_nox
import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.envdir = ".cache/nox"

antsibull_nox.load_antsibull_nox_toml()


def run(session: nox.Session, *command: str) -> None:
    session.run(*command, external=True)


# Python of the controller and of the tests with types. The rest also runs on Python 3.6.
TYPED = (
    "bench/compare_refclocks",
    "bench/compare_truth",
    "bench/scale",
    "molecule/kernel/guestkernel",
    "molecule/lab/demo",
    "molecule/lab/emulator",
    "molecule/lab/fleet",
    "molecule/monitor",
    "native/tests",
    "packaging",
    "tests/artifact",
    "tests/run",
)


@nox.session(venv_backend="none")
def python(session: nox.Session) -> None:
    """Style and types: ruff, ruff format, mypy; vermin for Python 3.6 on managed hosts."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")
    run(session, "mypy", "--scripts-are-modules", *TYPED)
    options = ("--quiet", "--target=3.6-", "--violations", "--no-tips")
    run(session, "vermin", *options, "plugins/modules", "plugins/module_utils")


@nox.session(venv_backend="none")
def words(session: nox.Session) -> None:
    """Plain words and spelling: tests/words, codespell."""
    run(session, "tests/words")
    run(session, "codespell")


@nox.session(venv_backend="none")
def shell(session: nox.Session) -> None:
    """Shell scripts: shellcheck."""
    scripts = session.run(
        "git", "grep", "-lE", "^#!/(usr/bin/env |bin/)(ba)?sh", silent=True, external=True
    )
    run(session, "shellcheck", "--severity=warning", *str(scripts).split())


@nox.session(venv_backend="none", name="c")
def c_code(session: nox.Session) -> None:
    """C: clang-format, and clang-tidy over clockprobe (`make driver` runs it over the driver)."""
    run(session, "tests/c_format")
    run(session, "make", "--no-print-directory", "-C", "native", "--jobs", "2", "tidy")


@nox.session(venv_backend="none")
def yaml(session: nox.Session) -> None:
    """YAML: yamllint."""
    run(session, "yamllint", "--strict", ".")


@nox.session(venv_backend="none")
def licences(session: nox.Session) -> None:
    """A licence for each file: REUSE."""
    run(session, "reuse", "--no-multiprocessing", "lint", "--quiet")


@nox.session(venv_backend="none", name="ansible-lint")
def ansible_lint(session: nox.Session) -> None:
    """ansible-lint with its profile for production."""
    run(session, "ansible-lint", "-q")


@nox.session
def docsite(session: nox.Session) -> None:
    """The documentation site, without a warning, and the generated tables of variables."""
    packages = ("ansible-core", "antsibull-docs", "myst-parser", "sphinx", "sphinx-ansible-theme")
    session.install(*packages, "-c", "requirements/nox.txt")
    session.run("docs/docsite/build", external=True)
    session.run("python", "docs/variables", "--check")


@nox.session(venv_backend="none")
def changelog(session: nox.Session) -> None:
    """Changelog: antsibull-changelog."""
    run(session, "antsibull-changelog", "lint")


@nox.session(venv_backend="none")
def sanity(session: nox.Session) -> None:
    """ansible-test sanity over the built artifact."""
    run(session, "tests/ansible_test", "sanity")


@nox.session(venv_backend="none", default=False)
def units(session: nox.Session) -> None:
    """ansible-test units over the built artifact (`make unit` runs them on the checkout)."""
    run(session, "tests/ansible_test", "units")


@nox.session(venv_backend="none")
def integration(session: nox.Session) -> None:
    """ansible-test integration over the built artifact: modules with real dkms and chronyd."""
    run(session, "tests/ansible_test", "integration")


@nox.session
def artifact(session: nox.Session) -> None:
    """The built artifact: its content, galaxy-importer, ansible-builder."""
    session.install("galaxy-importer", "ansible-builder", "-c", "requirements/nox.txt")
    session.run("tests/artifact", "--importer", external=True)
    session.run("tests/execution_environment", external=True)


CORES = {"2.16": "3.11", "2.18": "3.11", "2.19": "3.11", "2.20": "3.12", "2.21": "3.13"}


def installed_python(version: str) -> str:
    """The program of this Python version: pyenv's, or else the one on PATH."""
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(folder.glob(f"{version}.*/bin/python"))
    return str(found[-1]) if found else f"python{version}"


@nox.session(default=False, venv_backend="none", name="cores")
@nox.parametrize("core", list(CORES))
def cores(session: nox.Session, core: str) -> None:
    """ansible-test sanity and units over the built artifact, on this ansible-core."""
    venv = Path(os.environ.get("CIPU_CACHE", ".cache")).absolute() / f"core-{core}"
    if not (venv / "bin/ansible-test").exists():
        run(session, installed_python(CORES[core]), "-m", "venv", str(venv))
        tools = (
            "hypothesis",
            "jsonschema",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "-c",
            "requirements/dev.txt",
        )
        pip = (str(venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
        run(session, *pip, f"ansible-core=={core}.*")
        run(session, *pip, *tools)
    for command in ("sanity", "units"):
        run(session, "tests/ansible_test", command, "--venv", str(venv), "--python", CORES[core])
