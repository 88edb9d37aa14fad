# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to a running QEMU."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from .errors import LabError, TimeoutExpiredError

_SECONDS = 20.0


@contextlib.contextmanager
def _session(path: Path) -> Iterator[QEMUMonitorProtocol]:
    monitor = QEMUMonitorProtocol(str(path))
    monitor.settimeout(_SECONDS)
    try:
        monitor.connect()
    except (QMPError, OSError) as error:
        raise LabError(f"QEMU does not answer at {path}.") from error
    try:
        yield monitor
    except QMPError as error:
        raise LabError(f"QEMU refused: {error}.") from error
    except TimeoutError as error:
        raise TimeoutExpiredError("QEMU gave no answer in time.") from error
    finally:
        with contextlib.suppress(QMPError, OSError, TimeoutError):
            monitor.close()


def command(path: Path, name: str, **arguments: object) -> object:
    """Run one command and return what it returns."""
    with _session(path) as monitor:
        return monitor.cmd(name, **arguments)


def delete_device(path: Path, device: str, seconds: float = 60) -> None:
    """Unplug a device in the orderly way, which ends when the guest has let go of it."""
    with _session(path) as monitor:
        monitor.cmd("device_del", id=device)
        while True:
            event = monitor.pull_event(wait=seconds)
            if event is None:
                raise TimeoutExpiredError(f"The guest did not let go of {device}.")
            data = event.get("data", {})
            if event.get("event") == "DEVICE_DELETED" and data.get("device") == device:
                return
