# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the driver in a tree of headers and collect what compiler, sparse and modpost report."""

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trees

DRIVER = Path(__file__).resolve().parent.parent
MODULE = "ptp_cipu.ko"
# Messages of the build about its tools, not about the driver.
_HARMLESS = (
    "Skipping BTF generation",
    "the compiler differs from the one used to build the kernel",
    "pahole version differs from the one used to build the kernel",
)
_SECONDS = 600
# kbuild runs this as CHECK, which keeps the output of sparse apart from the compiler's.
_SPARSE = '#!/bin/sh\nexec sparse "$@" 2>>/build/sparse.log\n'
# e_machine in the ELF header.
_ELF_MACHINES = {"amd64": 62, "arm64": 183}
# Further checks of a build: the folder with the module -> check name -> complaints.
Check = Callable[[trees.Tree, Path], dict[str, list[str]]]


@dataclass(frozen=True)
class Job:
    """One kernel, architecture and compiler to build the driver for."""

    tree: trees.Tree
    kernel: str
    arch: str
    # The make command without target, and where it finds the kernel's build files.
    make: str
    headers: str
    # Copies and changes header folders below the given folder; returns folder -> path in the tree.
    overlay: Callable[[trees.Tree, Path], dict[Path, str]] | None = None
    # Messages that are expected in this configuration.
    harmless: tuple[str, ...] = ()
    sparse: bool = True
    extra: Check | None = None
    # The build has to end with an error that contains this text.
    refusal: str = ""


@dataclass
class Row:
    """One line of the table: check -> complaints."""

    kernel: str
    arch: str = "-"
    compiler: str = "-"
    results: dict[str, list[str]] = field(default_factory=dict)

    def state(self, check: str) -> str:
        if check not in self.results:
            return "-"
        return "FAILED" if self.results[check] else "clean"


def sources() -> list[Path]:
    return [*sorted(DRIVER.glob("*.[ch]")), DRIVER / "Kbuild"]


def packaged(tree: trees.Tree, release: str, **options: object) -> Job:
    """The job of a kernel whose headers are in the tree, with the tree's own gcc."""
    flavour_free = release.removesuffix(f"-{trees.architecture(release)}")
    return Job(
        tree=tree,
        kernel=str(options.pop("kernel", flavour_free)),
        arch=trees.architecture(release),
        make=trees.make_words(release),
        headers=f"/lib/modules/{release}/build",
        **options,  # type: ignore[arg-type]
    )


def run(job: Job) -> Row:
    """Build with W=1 and sparse in one run of kbuild."""
    row = Row(job.kernel, job.arch)
    with tempfile.TemporaryDirectory(prefix="ptp_cipu-") as name:
        build = Path(name) / "build"
        build.mkdir()
        for path in sources():
            shutil.copy(path, build)
        wrapper = build / "sparse-to-log"
        wrapper.write_text(_SPARSE, encoding="ascii")
        wrapper.chmod(0o755)
        binds = job.overlay(job.tree, Path(name)) if job.overlay else None
        check = "C=2 CHECK=/build/sparse-to-log" if job.sparse else ""
        command = f"{job.make} -C {job.headers} M=/build W=1 {check} modules"
        done = trees.run(job.tree, build, command, _SECONDS, binds)
        output = done.stdout + done.stderr
        if job.refusal:
            row.results["W=1"] = _refused(done.returncode, output, job.refusal)
            return row
        row.results["W=1"] = _complaints(output, job.harmless)
        module = build / MODULE
        if done.returncode or not module.exists():
            row.results["W=1"].append(f"make exited {done.returncode}\n{output[-2000:]}")
        if job.sparse:
            row.results["sparse"] = _sparse(build)
        if module.exists():
            data = module.read_bytes()
            row.compiler = _compiler(data)
            row.results["W=1"] += _foreign(data, job.arch)
            if job.extra:
                row.results.update(job.extra(job.tree, build))
    return row


def _refused(status: int, output: str, refusal: str) -> list[str]:
    # 124 is the time limit.
    if status in (0, 124) or refusal not in output:
        return [f"make exited {status} and did not report: {refusal}\n{output[-2000:]}"]
    return []


def _complaints(output: str, harmless: tuple[str, ...]) -> list[str]:
    return [
        line
        for line in output.splitlines()
        if ("warning" in line.lower() or "error" in line.lower())
        and not any(word in line for word in (*_HARMLESS, *harmless))
    ]


def _sparse(build: Path) -> list[str]:
    log = build / "sparse.log"
    if not log.exists():
        return ["sparse did not run"]
    # Messages about the kernel's own headers are not the driver's.
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    ours = [line for line in lines if line.startswith(("/build/", "cipu", "ptp_cipu"))]
    return [line for line in ours if "note: in included file" not in line]


def _compiler(module: bytes) -> str:
    clang = re.search(rb"clang version ([0-9.]+)", module)
    if clang:
        return f"clang {clang[1].decode()}"
    gcc = re.search(rb"GCC: \([^)]*\) ([0-9.]+)", module)
    return f"gcc {gcc[1].decode()}" if gcc else "?"


def _foreign(module: bytes, arch: str) -> list[str]:
    machine = int.from_bytes(module[18:20], "little")
    return [] if machine == _ELF_MACHINES[arch] else [f"the module is for ELF machine {machine}"]


def table(rows: list[Row]) -> str:
    checks = list(dict.fromkeys(name for row in rows for name in row.results))
    wide = max(len(row.kernel) for row in rows) + 2
    head = f"{'kernel':<{wide}}{'arch':<7}{'compiler':<14}"
    lines = [head + "".join(f"{name:<12}" for name in checks)]
    for row in rows:
        cells = "".join(f"{row.state(name):<12}" for name in checks)
        lines.append(f"{row.kernel:<{wide}}{row.arch:<7}{row.compiler:<14}{cells}")
    return "\n".join(line.rstrip() for line in lines)
