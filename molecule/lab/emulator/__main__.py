# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: one process emulates one function until a signal ends it."""

import argparse
import contextlib
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from .clock import ClockModel
from .emulator import Emulator, Settings
from .guard import end_with_parent
from .operations import MAX_DRIFT_PPB, MAX_NS
from .pci import BAR_KINDS, PciOptions
from .registers import BY_NAME
from .sockets import SocketError

EXIT_USAGE = 2
ENDING = (signal.SIGTERM, signal.SIGINT)


def fail(sentence: str) -> NoReturn:
    print(f"emulator: {sentence}", file=sys.stderr)
    raise SystemExit(EXIT_USAGE)


def assignment(text: str) -> tuple[str, int]:
    name, equals, value = text.partition("=")
    if not equals or name not in BY_NAME:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not REGISTER=VALUE with one of {', '.join(BY_NAME)}"
        )
    try:
        return name, int(value, 0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number") from error


def nanoseconds(text: str) -> int:
    value = int(text)
    if not -MAX_NS <= value < MAX_NS:
        raise argparse.ArgumentTypeError(f"{text} does not fit into 64 bits")
    return value


def milliseconds(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 3_600_000:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 3600000 milliseconds")
    return value


def ppb(text: str) -> float:
    value = float(text)
    if not abs(value) <= MAX_DRIFT_PPB:
        raise argparse.ArgumentTypeError(f"{text} is more than {MAX_DRIFT_PPB} ppb")
    return value


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="emulator", description="Emulate one CIPU clock function for QEMU's vfio-user-pci."
    )
    parser.add_argument("--socket", required=True, help="vfio-user socket to listen on")
    parser.add_argument("--control", required=True, help="control socket to listen on")
    parser.add_argument("--name", default="cipu0", help="name in the status")
    parser.add_argument(
        "--set", action="append", default=[], type=assignment, metavar="REGISTER=VALUE",
        help="value of a register at power-on; may be repeated",
    )  # fmt: skip
    parser.add_argument("--offset-ns", type=nanoseconds, default=0, help="device minus host time")
    parser.add_argument("--drift-ppb", type=ppb, default=0.0, help="frequency error")
    parser.add_argument(
        "--noise-ns", type=nanoseconds, default=0, help="uniform noise in both directions"
    )
    defaults = PciOptions()
    parser.add_argument("--bar0-size", type=int, default=defaults.bar0_size)
    parser.add_argument("--bar0-kind", choices=list(BAR_KINDS), default=defaults.bar0_kind)
    parser.add_argument(
        "--vectors", type=int, default=defaults.vectors, help="MSI-X vectors, 0 for none"
    )
    parser.add_argument(
        "--msix-bar", type=int, default=defaults.msix_bar, help="BAR of the MSI-X table"
    )
    parser.add_argument(
        "--handshake-ms", type=milliseconds, default=10_000,
        help="milliseconds a client may take to send its VERSION message",
    )  # fmt: skip
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="end when the process that started this one ends",
    )
    return parser.parse_args(argv)


def end_on_signals(emulator: Emulator) -> None:
    """End the loop on SIGTERM and SIGINT, through a socket, so that none is missed in a wait."""
    wake, signalled = socket.socketpair()
    wake.setblocking(False)
    signalled.setblocking(False)
    signal.set_wakeup_fd(signalled.detach())
    emulator.loop.watch(wake.detach(), emulator.loop.stop)
    for number in ENDING:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def main(argv: list[str]) -> int:
    options = arguments(argv)
    pci = PciOptions(options.bar0_size, options.bar0_kind, options.vectors, options.msix_bar)
    if options.noise_ns < 0:
        fail("--noise-ns must not be negative")
    if Path(options.socket).resolve() == Path(options.control).resolve():
        fail("--socket and --control must differ")
    clock = ClockModel(options.offset_ns, options.drift_ppb, options.noise_ns)
    settings = Settings(
        options.name, options.socket, options.control, clock, pci, dict(options.set),
        options.handshake_ms * 1000,
    )  # fmt: skip
    # A signal while the sockets are created must not leave them behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        if options.die_with_parent:
            end_with_parent()
        emulator = Emulator(settings)
    except (SocketError, ValueError, OSError) as error:
        fail(str(error))
    try:
        end_on_signals(emulator)
        # The lab may have closed its end of the output.
        with contextlib.suppress(OSError):
            print(
                f"{options.name}: {options.socket} is up, control on {options.control}", flush=True
            )
        emulator.run()
    finally:
        emulator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
