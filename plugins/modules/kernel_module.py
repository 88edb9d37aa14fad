#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: kernel_module
short_description: Load a kernel module, bind its PCI functions and wait for its device links
version_added: 0.1.0
description:
  - Loads a kernel module and verifies that the loaded module is the installed one with the given
    parameters, that every PCI function with the given ids is bound to it, and that its device links
    exist.
  - Replaces a stale module. Services that use the device are stopped while the module is unloaded,
    and started again even if the reload fails. The module fails if one of them does not start.
  - Reports the kernel's message if the driver does not accept a function.
  - Never reboots and never installs anything.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  name:
    description: Name of the kernel module. Hyphens and underscores are the same.
    type: str
    default: ptp_cipu
  state:
    description: Whether the module must be loaded or unloaded.
    type: str
    choices: [loaded, unloaded]
    default: loaded
  params:
    description:
      - Module parameters that the loaded module must show, numbers in any base. They are passed to
        C(modprobe) if the module is loaded here.
      - They are not stored. For the next boot, write them to a file in C(/etc/modprobe.d) as well.
    type: dict
    default: {}
  pci_id:
    description: Vendor and device id of the driver's PCI functions, hexadecimal.
    type: str
    default: 1ded:500c
  links:
    description:
      - Device links below C(/dev) that must exist once every function is bound.
      - In each, V({pci_address}) stands for the address of a function.
    type: list
    elements: str
    default: []
  reload:
    description:
      - Whether to replace a loaded module that is not the installed one or has other parameters.
      - Otherwise RV(reload_required) reports it.
    type: bool
    default: true
  holders:
    description: systemd units that use the device, stopped while the module is unloaded.
    type: list
    elements: str
    default: [chrony.service, chronyd.service]
  timeout_s:
    description: Number of seconds to wait for the links.
    type: int
    default: 30
extends_documentation_fragment:
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    description: Returns what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows the state of the module before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: cipu.clock.dkms
  - module: cipu.clock.clock_facts
"""

EXAMPLES = r"""
- name: Load the driver of the clock
  cipu.clock.kernel_module:
    params: {drv_ver: '0x00010300'}
    links: [/dev/ptp_cipu, '/dev/ptp_cipu-{pci_address}']
"""

RETURN = r"""
actions:
  description: Commands that were run, in check mode those that would run.
  returned: always
  type: list
  elements: str
  sample: ['modprobe ptp_cipu']
loaded_srcversion:
  description: The srcversion of the loaded module, null if it is not loaded.
  returned: always
  type: str
  sample: 52FA3E23A4D1C2F1B9D0E0A
installed_srcversion:
  description: The srcversion of the module file of the running kernel, null if there is none.
  returned: always
  type: str
  sample: 52FA3E23A4D1C2F1B9D0E0A
reload_required:
  description: Whether the loaded module is not the requested one and was left loaded.
  returned: always
  type: bool
  sample: false
functions:
  description: PCI functions with the given ids, and the driver that each is bound to.
  returned: always
  type: list
  elements: dict
  sample: [{pci_address: '0000:00:10.0', driver: ptp_cipu}]
"""

import os
import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

SPEC = {
    "name": {"type": "str", "default": "ptp_cipu"},
    "state": {"type": "str", "choices": ["loaded", "unloaded"], "default": "loaded"},
    "params": {"type": "dict", "default": {}},
    "pci_id": {"type": "str", "default": "1ded:500c"},
    "links": {"type": "list", "elements": "str", "default": []},
    "reload": {"type": "bool", "default": True},
    "holders": {
        "type": "list",
        "elements": "str",
        "default": ["chrony.service", "chronyd.service"],
    },
    "timeout_s": {"type": "int", "default": 30},
}
POLL_S = 0.2
# The options become words of command lines and parts of paths.
WORDS = {
    "name": r"[A-Za-z0-9_][A-Za-z0-9_-]*",
    "pci_id": r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}",
    "links": r"/dev/[^/.\s][^\s]*",
    "holders": r"[A-Za-z0-9_][A-Za-z0-9_.:@\\-]*\.[a-z]+",
}


class Unusable(Exception):
    """The driver is not usable; the text says what, where and what to do."""


def complaint(params):
    """The problem with the options, as a sentence; None if they are valid."""
    for option, pattern in sorted(WORDS.items()):
        value = params[option]
        for word in value if isinstance(value, list) else [value]:
            if not re.match(pattern + r"\Z", word) or "/../" in word:
                return "{0}: {1!r} is not a valid value".format(option, word)
    for key, value in sorted(params["params"].items()):
        if not re.match(r"\w+\Z", key) or not re.match(r"[^\s\"']*\Z", str(value)):
            return "params: {0}={1!r} is not a module parameter without blanks and quotes".format(
                key, value
            )
    if params["timeout_s"] < 0:
        return "timeout_s: {0} is less than zero".format(params["timeout_s"])
    return None


def same(shown, wanted):
    """Whether a parameter as the kernel shows it is the wanted one, numbers by their value."""
    if shown in {"Y", "N"}:
        return (shown == "Y") == (str(wanted).lower() in {"y", "1", "true", "yes", "on"})
    try:
        return int(str(shown), 0) == int(str(wanted), 0)
    except ValueError:
        return str(shown) == str(wanted)


def last_words(log, name, address):
    """The kernel's last message on a function, without time and prefix; None if there is none."""
    pattern = re.compile(r"{0} {1}: (.+)$".format(re.escape(name), re.escape(address)))
    messages = [match.group(1).strip() for match in map(pattern.search, log.splitlines()) if match]
    # The PCI core's "probe with driver ... failed" follows the driver's own message and says less.
    better = [line for line in messages if not line.startswith("probe with driver")]
    return (better or messages or [None])[-1]


def advice(words):
    """What to do about a function that the driver did not accept."""
    if words and re.search(r"version|drv_ver", words):
        return (
            "set the module parameter drv_ver (role variable cipu_driver_drv_ver) to a version "
            "that the device accepts, or install another driver"
        )
    return "see the kernel log, or switch the function off and on through the cloud's API"


class KernelModule:
    def __init__(self, module, tree=None):
        self.module = module
        self.tree = tree or Tree()
        self.name = module.params["name"]
        # The kernel itself always writes underscores.
        self.kernel_name = self.name.replace("-", "_")
        self.folder = "/sys/module/" + self.kernel_name
        self.actions = []

    # State.

    def loaded(self):
        return self.tree.is_dir(self.folder)

    def loaded_srcversion(self):
        return self.tree.line(self.folder + "/srcversion")

    def ask(self, argv):
        """Exit status and output of a program; None for a program that is not installed."""
        path = self.module.get_bin_path(argv[0])
        if path is None:
            return None, ""
        code, out, _err = self.module.run_command([path] + argv[1:])
        return code, out

    def installed_srcversion(self):
        code, out = self.ask(["modinfo", "-F", "srcversion", self.name])
        return out.strip().splitlines()[-1] if code == 0 and out.strip() else None

    def other_params(self):
        """Parameters that differ from the wanted ones, with the value that the kernel shows."""
        shown = {
            key: self.tree.line("{0}/parameters/{1}".format(self.folder, key))
            for key in self.module.params["params"]
        }
        return {
            key: shown[key]
            for key, wanted in self.module.params["params"].items()
            if not same(shown[key], wanted)
        }

    def functions(self):
        vendor, device = ("0x" + part for part in self.module.params["pci_id"].lower().split(":"))
        base = "/sys/bus/pci/devices"
        found = []
        for address in self.tree.names(base):
            folder = base + "/" + address
            ids = self.tree.line(folder + "/vendor"), self.tree.line(folder + "/device")
            if ids == (vendor, device):
                driver = self.tree.link(folder + "/driver")
                found.append(
                    {"pci_address": address, "driver": os.path.basename(driver) if driver else None}
                )
        return found

    # Actions.

    def act(self, argv):
        self.actions.append(" ".join(argv))
        if self.module.check_mode:
            return 0, ""
        path = self.module.get_bin_path(argv[0])
        if path is None:
            raise Unusable("{0} is not installed".format(argv[0]))
        code, out, err = self.module.run_command([path] + argv[1:])
        return code, (err.strip() or out.strip() or "{0} gave no reason".format(argv[0]))

    def load(self):
        params = self.module.params["params"]
        words = ["{0}={1}".format(key, params[key]) for key in sorted(params)]
        code, reason = self.act(["modprobe", self.name] + words)
        if code:
            raise Unusable(
                "{0} cannot be loaded into kernel {1}: {2}".format(
                    self.name, os.uname().release, reason
                )
            )

    def unload(self):
        code, reason = self.act(["modprobe", "-r", self.name])
        if code:
            raise Unusable("{0} cannot be unloaded: {1}".format(self.name, reason))
        if self.loaded() and not self.module.check_mode:
            raise Unusable(
                "{0} is still loaded, though modprobe -r reported no error".format(self.name)
            )

    def verify(self, installed):
        """The loaded module is the installed one, with the parameters."""
        if self.module.check_mode:
            return
        if not self.loaded():
            raise Unusable("{0} is not loaded, though modprobe reported no error".format(self.name))
        if installed is not None and self.loaded_srcversion() != installed:
            raise Unusable(
                "the loaded {0} has srcversion {1}, the installed one {2}: reboot".format(
                    self.name, self.loaded_srcversion(), installed
                )
            )
        for key, shown in sorted(self.other_params().items()):
            raise Unusable(
                "the kernel shows {0} for parameter {1} of {2}, not {3}: check its name and "
                "value".format(
                    "nothing" if shown is None else shown,
                    key,
                    self.name,
                    self.module.params["params"][key],
                )
            )

    def unit(self, name):
        """Id and ActiveState of a unit; empty where there is no systemd."""
        code, out = self.ask(["systemctl", "show", "-p", "Id", "-p", "ActiveState", name])
        shown = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return (shown.get("Id"), shown.get("ActiveState")) if code == 0 else (None, None)

    def holders(self):
        """The holders that run now, each once, whatever its aliases."""
        running = []
        for name in self.module.params["holders"]:
            unit_id, state = self.unit(name)
            if state in {"active", "activating", "reloading"} and unit_id not in running:
                running.append(unit_id)
        return running

    def without_holders(self, work):
        """Do the work while no holder runs, then start those that ran, also after a failure."""
        stopped, failure = [], None
        try:
            for unit in self.holders():
                stopped.append(unit)
                code, reason = self.act(["systemctl", "stop", unit])
                if code:
                    raise Unusable("{0} cannot be stopped: {1}".format(unit, reason))
            work()
        except Unusable as reason:
            failure = str(reason)
        problems = [failure] if failure else []
        for unit in stopped:
            problems += self.start(unit)
        if problems:
            raise Unusable("; ".join(problems))

    def start(self, unit):
        """Start a unit; a list with a sentence if it does not run afterwards."""
        code, reason = self.act(["systemctl", "start", unit])
        if self.module.check_mode:
            return []
        _unit_id, state = self.unit(unit)
        if code == 0 and state == "active":
            return []
        return [
            "{0} does not run after the reload ({1}): see journalctl -u {0}".format(
                unit, reason if code else state
            )
        ]

    def reload(self):
        self.unload()
        self.load()
        # A holder that opens the device at once must find its link.
        self.act(["udevadm", "settle", "--timeout", str(self.module.params["timeout_s"])])

    def bind(self):
        """Bind functions without a driver: what made the driver refuse them may have passed."""
        for function in self.functions():
            if function["driver"]:
                continue
            self.actions.append("bind {0}".format(function["pci_address"]))
            if self.module.check_mode:
                continue
            try:
                path = "/sys/bus/pci/drivers/{0}/bind".format(self.kernel_name)
                with open(self.tree.path(path), "w") as stream:
                    stream.write(function["pci_address"])
            except (IOError, OSError):
                continue  # reported by refuse_unbound

    def refuse_unbound(self):
        if self.module.check_mode:
            return
        for function in self.functions():
            driver, address = function["driver"], function["pci_address"]
            if driver and driver.replace("-", "_") == self.kernel_name:
                continue
            if driver:
                raise Unusable(
                    "function {0} is bound to {1}, not to {2}: unbind it first".format(
                        address, driver, self.name
                    )
                )
            words = last_words(self.ask(["dmesg"])[1], self.kernel_name, address)
            raise Unusable(
                "the driver {0} did not accept function {1}: {2}; {3}".format(
                    self.name, address, words or "the kernel log gives no reason", advice(words)
                )
            )

    def missing_links(self):
        wanted = {
            link.replace("{pci_address}", function["pci_address"])
            for link in self.module.params["links"]
            for function in self.functions()
        }
        return sorted(link for link in wanted if not os.path.exists(self.tree.path(link)))

    def link(self):
        if self.module.check_mode or not self.missing_links():
            return
        self.act(["udevadm", "trigger", "--subsystem-match=ptp"])
        deadline = time.monotonic() + self.module.params["timeout_s"]
        missing = self.missing_links()
        while missing and time.monotonic() < deadline:
            left_s = max(1, min(5, int(deadline - time.monotonic())))
            self.ask(["udevadm", "settle", "--timeout", str(left_s)])
            time.sleep(POLL_S)
            missing = self.missing_links()
        if missing:
            raise Unusable(
                "the driver is bound, but {0} did not appear within {1} s: "
                "run udevadm test on the clock's node in /sys/class/ptp".format(
                    ", ".join(missing), self.module.params["timeout_s"]
                )
            )

    # States.

    def ensure_loaded(self):
        """Returns whether a reload is required that was not allowed."""
        installed = self.installed_srcversion()
        if not self.loaded():
            code, _out = self.ask(["modinfo", "-n", self.name])
            if code and not self.module.check_mode:
                raise Unusable(
                    "{0} is not installed for the running kernel {1}: install it with "
                    "cipu.clock.dkms first".format(self.name, os.uname().release)
                )
            self.load()
            self.verify(installed)
        elif self.stale(installed):
            if not self.module.params["reload"]:
                return True
            self.without_holders(self.reload)
            self.verify(installed)
        else:
            self.bind()
        self.refuse_unbound()
        self.link()
        return False

    def stale(self, installed):
        differs = installed is not None and self.loaded_srcversion() != installed
        return differs or bool(self.other_params())

    def ensure_unloaded(self):
        if self.loaded():
            self.without_holders(self.unload)
        return False


def run(module, tree=None):
    """The result, and the failure as a sentence or None."""
    work = KernelModule(module, tree)
    before = work.loaded_srcversion() if work.loaded() else "not loaded"
    failure, required = None, False
    try:
        is_loaded = module.params["state"] == "loaded"
        required = work.ensure_loaded() if is_loaded else work.ensure_unloaded()
    except Unusable as reason:
        failure = str(reason)
    after = work.loaded_srcversion() if work.loaded() else "not loaded"
    if module.check_mode and work.actions and module.params["state"] == "unloaded":
        after = "not loaded"
    elif module.check_mode and work.actions:
        after = work.installed_srcversion() or after
    result = {
        "changed": bool(work.actions),
        "actions": work.actions,
        "loaded_srcversion": work.loaded_srcversion(),
        "installed_srcversion": work.installed_srcversion(),
        "reload_required": required,
        "functions": work.functions(),
        "diff": {
            "before": "{0} {1}\n".format(work.name, before),
            "after": "{0} {1}\n".format(work.name, after),
        },
    }
    return result, failure


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wrong = complaint(module.params)
    if wrong:
        module.fail_json(msg=wrong, actions=[])
    module.run_command_environ_update = {"LC_ALL": "C", "LANG": "C", "LANGUAGE": "C"}
    result, failure = run(module)
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
