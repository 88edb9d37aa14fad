# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to a running QEMU: one command, one connection, a bounded time."""

import asyncio
import contextlib
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from .errors import LabError, TimeoutExpiredError

_SECONDS = 60.0


def command(path: Path, name: str, /, **arguments: object) -> object:
    """Run one command and return what it returns."""
    try:
        return asyncio.run(asyncio.wait_for(_run(path, name, arguments), _SECONDS))
    except TimeoutError as error:
        raise TimeoutExpiredError(
            f"QEMU gave no answer to {name} within {_SECONDS:.0f} s."
        ) from error
    except QMPError as error:
        raise LabError(f"QEMU did not do {name}: {error}.") from error
    except OSError as error:
        raise LabError(f"There is no QEMU at {path}.") from error


async def _run(path: Path, name: str, arguments: dict[str, object]) -> object:
    client = QMPClient("lab")
    await client.connect(str(path))
    try:
        return await client.execute(name, arguments)
    finally:
        with contextlib.suppress(QMPError, OSError, EOFError):
            await client.disconnect()
