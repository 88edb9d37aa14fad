# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `lab`."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import disk, images, inventory, mirror, qemu
from .errors import LabError, UsageError
from .lab import Lab

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class _Ended(KeyboardInterrupt):
    """A signal other than Ctrl-C. What was started is ended in the same way."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Every failure is reported in a sentence."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        return _COMMANDS[options.command](Lab(options.lab), options)
    except UsageError as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_USAGE
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("lab: interrupted; everything that was started has ended", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader closed the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _end(_number: int, _frame: object) -> None:
    raise _Ended


def _up(lab: Lab, options: argparse.Namespace) -> int:
    nodes = lab.up(
        options.count,
        images_named=options.image,
        function_count=options.functions,
        vcpus=options.vcpus,
        memory=options.memory,
        devices=options.device,
        ssh_port=options.ssh_port,
    )
    for node in nodes:
        print(f"{node.name}  {node.state.image}  ssh port {node.state.ssh_port}")
    return 0


def _down(lab: Lab, _options: argparse.Namespace) -> int:
    lab.down()
    return 0


def _status(lab: Lab, options: argparse.Namespace) -> int:
    found = lab.status()
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for node in found:
        state = "up" if node["ssh_answers"] else "running, no ssh" if node["running"] else "ended"
        print(f"{node['name']}  {node['image']}  {state}  ssh port {node['ssh_port']}")
        for function in node["functions"]:
            print(f"  {function['name']}  {function['pci_address']}  {_emulator(function)}")
    return 0


def _emulator(function: dict[str, Any]) -> str:
    if "error" in function:
        return str(function["error"])
    status = function["emulator"]
    faults = status.get("faults")
    names = ", ".join(faults) if faults else "none"
    return f"connected {'yes' if status.get('connected') else 'no'}, faults: {names}"


def _ssh(lab: Lab, options: argparse.Namespace) -> int:
    command = lab.node(options.name).login.command(options.remote)
    sys.stdout.flush()
    os.execv(command[0], command)


def _console(lab: Lab, options: argparse.Namespace) -> int:
    print(lab.node(options.name).machine.console(options.lines))
    return 0


def _fault(lab: Lab, options: argparse.Namespace) -> int:
    words = list(options.words)
    on = words.pop(0) == "on" if words and words[0] in ("on", "off") else True
    lab.fault(options.target, options.what, on, **_parameters(words))
    return 0


def _parameters(words: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key.isidentifier() or not equals:
            raise UsageError(f"{word!r} is not KEY=VALUE.")
        try:
            parameters[key] = int(value, 0)
        except ValueError:
            parameters[key] = value
    return parameters


def _control(lab: Lab, options: argparse.Namespace) -> int:
    try:
        message = json.loads(options.message)
    except ValueError as error:
        raise UsageError(f"The message is not JSON: {error}.") from error
    if not isinstance(message, dict):
        raise UsageError("The message must be a JSON object.")
    print(json.dumps(lab.control(options.target).send(message)))
    return 0


def _inventory(lab: Lab, options: argparse.Namespace) -> int:
    if options.yaml:
        print(inventory.yaml(lab.nodes()), end="")
    else:
        print(json.dumps(lab.inventory(), indent=1))
    return 0


def _reboot(lab: Lab, options: argparse.Namespace) -> int:
    lab.reboot(options.name, options.kernel)
    return 0


def _power(lab: Lab, options: argparse.Namespace) -> int:
    node = lab.node(options.name)
    if options.state == "off":
        node.machine.cut_power()
    elif options.state == "shutdown":
        node.shut_down()
    else:
        state = node.power_on(options.without)
        failed = ", ".join(node.failed_units())
        print(f"{node.name} is {state}{f'; failed units: {failed}' if failed else ''}")
    return 0


def _network(lab: Lab, options: argparse.Namespace) -> int:
    lab.node(options.name).machine.network(options.state == "on")
    return 0


def _ssh_port(lab: Lab, options: argparse.Namespace) -> int:
    lab.node(options.name).machine.ssh_port(options.state == "on")
    return 0


def _mirror(lab: Lab, options: argparse.Namespace) -> int:
    mirror.switch(lab.node(options.name), options.state == "on")
    return 0


def _disk_fill(lab: Lab, options: argparse.Namespace) -> int:
    print(f"{disk.fill(lab.node(options.name), options.free_kib)} KiB free")
    return 0


def _disk_free(lab: Lab, options: argparse.Namespace) -> int:
    disk.free(lab.node(options.name))
    return 0


def _disk_save(lab: Lab, options: argparse.Namespace) -> int:
    disk.save(lab.node(options.name), options.point)
    return 0


def _disk_restore(lab: Lab, options: argparse.Namespace) -> int:
    disk.restore(lab.node(options.name), options.point)
    return 0


def _disk(lab: Lab, options: argparse.Namespace) -> int:
    return _DISK[options.action](lab, options)


_DISK: dict[str, Callable[[Lab, argparse.Namespace], int]] = {
    "fill": _disk_fill,
    "free": _disk_free,
    "save": _disk_save,
    "restore": _disk_restore,
}


def _images(lab: Lab, options: argparse.Namespace) -> int:
    qemu.find(lab.say)
    for image in images.ensure(options.image or ["debian12", "debian13"], lab.say).values():
        print(f"{image.name}  {image.folder}")
    return 0


_COMMANDS: dict[str, Callable[[Lab, argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "ssh": _ssh,
    "console": _console,
    "fault": _fault,
    "control": _control,
    "inventory": _inventory,
    "reboot": _reboot,
    "power": _power,
    "disk": _disk,
    "network": _network,
    "ssh-port": _ssh_port,
    "mirror": _mirror,
    "images": _images,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="Virtual machines with emulated CIPU clocks on this machine."
    )
    parser.add_argument(
        "--lab", default="main", metavar="NAME", help="name of the lab (default: main)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="boot machines node1 to nodeN")
    up.add_argument("count", type=int, metavar="N")
    up.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="NAME",
        help="debian12, debian13 or debian13-arm64; repeat it to use several in turn",
    )
    up.add_argument(
        "--functions", type=int, default=2, help="clock functions per machine (default: 2)"
    )
    up.add_argument("--vcpus", type=int, default=1, help="virtual CPUs per machine (default: 1)")
    up.add_argument(
        "--memory", type=int, default=1024, help="MiB of memory per machine (default: 1024)"
    )
    up.add_argument(
        "--device", action="append", default=[], help="additional QEMU device, such as vmclock"
    )
    up.add_argument(
        "--ssh-port", type=int, help="port of node1; the others follow (default: free ports)"
    )

    commands.add_parser("down", help="end the lab in any state")

    status = commands.add_parser("status", help="show machines, functions and active faults")
    status.add_argument("--json", action="store_true")

    ssh = commands.add_parser("ssh", help="log in to a machine, or run a command in it")
    ssh.add_argument("name")
    ssh.add_argument("remote", nargs=argparse.REMAINDER, metavar="COMMAND")

    console = commands.add_parser(
        "console", help="show the last lines of a machine's serial console"
    )
    console.add_argument("name")
    console.add_argument("-n", "--lines", type=int, default=40)

    fault = commands.add_parser("fault", help="start or end a fault of a clock function")
    fault.add_argument("target", metavar="NAME[/FUNCTION]")
    fault.add_argument("what", help="a fault of the emulator, or unplug, plug, clear")
    fault.add_argument("words", nargs="*", metavar="on|off|KEY=VALUE")

    control = commands.add_parser("control", help="send a message to the emulator of a function")
    control.add_argument("target", metavar="NAME[/FUNCTION]")
    control.add_argument("message", metavar="JSON")

    shown = commands.add_parser("inventory", help="print an inventory for Ansible")
    form = shown.add_mutually_exclusive_group()
    form.add_argument("--yaml", action="store_true", help="as a file")
    form.add_argument("--list", action="store_true", help="as an inventory script (default)")

    reboot = commands.add_parser("reboot", help="restart a machine, optionally with another kernel")
    reboot.add_argument("name")
    reboot.add_argument(
        "--kernel", metavar="RELEASE", help="a kernel that is installed in the machine"
    )

    power = commands.add_parser("power", help="cut a machine's power, shut it down, start it again")
    power.add_argument("name")
    power.add_argument("state", choices=("off", "shutdown", "on"))
    power.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="FUNCTION",
        help="with on: start without this function; `lab fault NAME/FUNCTION plug` brings it back",
    )

    storage = commands.add_parser("disk", help="fill a machine's disk, save it, restore it")
    storage.add_argument("name")
    actions = storage.add_subparsers(dest="action", required=True, metavar="ACTION")
    fill = actions.add_parser("fill", help="fill the root file system")
    fill.add_argument("--free-kib", type=int, default=0, help="KiB to leave free (default: 0)")
    actions.add_parser("free", help="remove what fill wrote")
    for action, text in (
        ("save", "save the disk of a machine that is off"),
        ("restore", "restore a saved disk on a machine that is off"),
    ):
        actions.add_parser(action, help=text).add_argument("point", metavar="POINT")

    for command, text in (
        ("network", "plug a machine's network cable in or out"),
        ("ssh-port", "open or close the forwarded ssh port of a machine"),
        ("mirror", "make apt in a machine fail to download, or work again"),
    ):
        switch = commands.add_parser(command, help=text)
        switch.add_argument("name")
        switch.add_argument("state", choices=("on", "off"))

    made = commands.add_parser("images", help="build QEMU and the guest images only")
    made.add_argument("--image", action="append", default=[], metavar="NAME")
    return parser
