# SPDX-License-Identifier: GPL-2.0-or-later
"""The patch series, made for a kernel tree of a few lines. `make patch` checks it in a real one."""

import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(DRIVER / "upstream"),
    str(DRIVER / "tests"),
    str(DRIVER.parent / "molecule/lab"),
]

import kernel_source  # noqa: E402
import series  # noqa: E402
from fleet.errors import LabError  # noqa: E402

MAINTAINERS = """\
How to submit patches

Maintainers List
----------------

ACPI
M:\tA <a@example.org>
F:\tdrivers/acpi/

ALIBABA ELASTIC RDMA DRIVER
M:\tB <b@example.org>
F:\tdrivers/infiniband/hw/erdma/

THE REST
M:\tC <c@example.org>
F:\t*
"""
AUTHOR = "Ada Example <ada@example.org>"


@pytest.fixture
def patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    root = tmp_path / "tree"
    (root / "drivers/ptp").mkdir(parents=True)
    (root / "MAINTAINERS").write_text(MAINTAINERS)
    (root / "drivers/ptp/Kconfig").write_text('menu "PTP clock support"\n\nendmenu\n')
    (root / "drivers/ptp/Makefile").write_text("obj-$(CONFIG_PTP_1588_CLOCK)\t+= ptp.o\n")
    for kind in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{kind}_NAME", "Ada Example")
        monkeypatch.setenv(f"GIT_{kind}_EMAIL", "ada@example.org")
    work = tmp_path / "work"
    work.mkdir()
    return series.build_series(kernel_source.Tree("7.3", root), work, tmp_path / "out")


def test_the_patches_apply_and_contain_the_whole_driver(
    tmp_path: Path, patches: list[Path]
) -> None:
    assert [path.name[:4] for path in patches] == ["0000", "0001", "0002"]
    tree = tmp_path / "tree"
    for patch in patches[1:]:
        subprocess.run(["git", "apply", str(patch)], cwd=tree, check=True, timeout=60)
    names = {path.name for path in (tree / series.FOLDER).iterdir()}
    ours = {path.name for path in DRIVER.glob("cipu*.[ch]")} - {"cipu_compat.h"}
    assert names == ours | {"Makefile"}
    text = "".join(path.read_text() for path in (tree / series.FOLDER).iterdir())
    assert "HAVE_" not in text
    assert "MODULE_VERSION" not in text
    assert "\t.dev_groups\t= cipu_groups,\n" in text
    assert (tree / "drivers/ptp/Kconfig").read_text().count("config PTP_1588_CLOCK_CIPU") == 1
    assert (
        "obj-$(CONFIG_PTP_1588_CLOCK_CIPU)\t+= cipu/" in (tree / "drivers/ptp/Makefile").read_text()
    )
    assert (tree / series.ABI).read_text().count("\nKernelVersion:\t7.4\n") == 30


def test_the_section_of_maintainers_is_in_its_alphabetical_place(
    tmp_path: Path, patches: list[Path]
) -> None:
    tree = tmp_path / "tree"
    for patch in patches[1:]:
        subprocess.run(["git", "apply", str(patch)], cwd=tree, check=True, timeout=60)
    text = (tree / "MAINTAINERS").read_text()
    titles = [block.splitlines()[0] for block in text.split("----\n\n")[1].split("\n\n")]
    assert titles == ["ACPI", series.TITLE, "ALIBABA ELASTIC RDMA DRIVER", "THE REST"]
    assert f"F:\t{series.ABI}\nF:\t{series.FOLDER}/\n" in text


def test_each_patch_is_signed_off_and_the_cover_letter_is_filled_in(patches: list[Path]) -> None:
    for patch in patches[1:]:
        assert f"Signed-off-by: {AUTHOR}" in patch.read_text()
    cover = patches[0].read_text()
    assert "***" not in cover
    assert "Subject: [PATCH net-next 0/2] ptp: Add a driver" in cover


def test_compatibility_code_that_would_remain_is_refused() -> None:
    with pytest.raises(LabError, match=r"cipu_x\.c still contains HAVE_"):
        series.plain_source("cipu_x.c", "#ifdef HAVE_SOMETHING\n")


def test_maintainers_without_a_later_section_is_refused() -> None:
    with pytest.raises(LabError, match="no section after ours"):
        series.with_maintainer("Maintainers List\n\nACPI\nM:\tA\n", AUTHOR, ())
