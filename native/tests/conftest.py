# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest
from made_host import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)
