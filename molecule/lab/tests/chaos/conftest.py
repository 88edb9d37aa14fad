# SPDX-License-Identifier: GPL-3.0-or-later
"""The chaos scenario is a program beside the lab, not part of it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "chaos"))
