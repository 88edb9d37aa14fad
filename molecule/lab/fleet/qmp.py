# SPDX-License-Identifier: GPL-3.0-or-later
"""QMP, the control protocol of a running QEMU: one connection per command, in a bounded time."""

import asyncio
import contextlib
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from .errors import LabError, TimeoutExpiredError

_SECONDS = 60.0


def command(path: Path, name: str, /, **arguments: object) -> object:
    """Run one command and return its result."""
    try:
        return asyncio.run(asyncio.wait_for(_run(path, name, arguments), _SECONDS))
    except TimeoutError as error:
        raise TimeoutExpiredError(
            f"QEMU did not answer to {name} within {_SECONDS:.0f} s."
        ) from error
    except QMPError as error:
        raise LabError(f"QEMU refused {name}: {error}.") from error
    except OSError as error:
        raise LabError(f"No QEMU answers at {path}.") from error


async def _run(path: Path, name: str, arguments: dict[str, object]) -> object:
    client = QMPClient("lab")
    await client.connect(str(path))
    try:
        return await client.execute(name, arguments)
    finally:
        with contextlib.suppress(QMPError, OSError, EOFError):
            await client.disconnect()
