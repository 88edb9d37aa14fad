#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: kernel_module
short_description: Have the installed driver of a PCI function loaded, bound and linked
version_added: 0.1.0
description:
  - Loads a kernel module, and makes sure that the module in the kernel is the module on disk with
    the parameters asked for, that every PCI function of the given ids is bound to it, and that its
    device links are there.
  - A stale module is replaced safely. Services that hold the device are stopped for that long and
    started again even if the reload fails.
  - A function that the driver does not take ends in one sentence with what the kernel said.
  - Never reboots, never installs anything.
author:
  - The cipu.clock maintainers (@cipu-clock)
options:
  name:
    description: Name of the module.
    type: str
    default: ptp_cipu
  state:
    description: Whether the module is in the kernel.
    type: str
    choices: [loaded, unloaded]
    default: loaded
  params:
    description: Module parameters that the loaded module must show, numbers in any base.
    type: dict
    default: {}
  pci_id:
    description: Vendor and device id of the functions the driver is for, hexadecimal.
    type: str
    default: 1ded:500c
  links:
    description:
      - Device links that must exist once every function is bound.
      - In each, V({pci_address}) stands for the address of a function.
    type: list
    elements: str
    default: []
  reload:
    description:
      - Whether a loaded module that is not the installed one, or has other parameters, is replaced.
      - Otherwise RV(reload_required) says that it should be.
    type: bool
    default: true
  holders:
    description: systemd units that hold the device, stopped while the module is taken out.
    type: list
    elements: str
    default: [chrony.service, chronyd.service]
  timeout_s:
    description: How long links may take to appear, in seconds.
    type: int
    default: 30
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows the state of the module before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Have the clock's driver in the kernel
  cipu.clock.kernel_module:
    params: {drv_ver: '0x00010300'}
    links: [/dev/ptp_cipu, '/dev/ptp_cipu-{pci_address}']
"""

RETURN = r"""
actions:
  description: Commands run, or that would be run.
  returned: always
  type: list
  elements: str
  sample: ['modprobe ptp_cipu']
loaded_srcversion:
  description: The srcversion of the module in the kernel, none where it is not there.
  returned: always
  type: str
installed_srcversion:
  description: The srcversion of the module on disk for the running kernel, none if there is none.
  returned: always
  type: str
reload_required:
  description: Whether the module in the kernel is not as asked for and was left so.
  returned: always
  type: bool
functions:
  description: PCI functions of the given ids, and the driver each is bound to.
  returned: always
  type: list
  elements: dict
  sample: [{pci_address: '0000:00:10.0', driver: ptp_cipu}]
"""

import glob
import os
import re
import time

from ansible.module_utils.basic import AnsibleModule

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


class Unusable(Exception):
    """The driver is not usable; the text says what, where and what to do."""


def text(path):
    try:
        with open(path) as stream:
            return stream.read().strip()
    except (IOError, OSError):
        return None


def same(shown, wanted):
    """Whether a parameter as the kernel shows it is the wanted one, numbers by their value."""
    try:
        return int(str(shown), 0) == int(str(wanted), 0)
    except ValueError:
        return str(shown) == str(wanted)


def last_words(log, name, address):
    """What the kernel last said of a function, without time and prefix; none if nothing."""
    pattern = re.compile(r"{0} {1}: (.+)$".format(re.escape(name), re.escape(address)))
    said = [match.group(1).strip() for match in map(pattern.search, log.splitlines()) if match]
    # The core's "probe with driver ... failed" follows the driver's own sentence and says less.
    better = [line for line in said if not line.startswith("probe with driver")]
    return (better or said or [None])[-1]


def advice(words):
    """What to do about a function that was not taken."""
    if words and re.search(r"version|drv_ver", words):
        return "set driver_drv_ver to a version that the device takes, or install another driver"
    return "see the kernel log, or switch the function off and on through the cloud's API"


class Kmod:
    def __init__(self, module):
        self.module = module
        self.name = module.params["name"]
        self.actions = []

    # --- what is ---
    def loaded(self):
        return os.path.isdir("/sys/module/{0}".format(self.name))

    def loaded_srcversion(self):
        return text("/sys/module/{0}/srcversion".format(self.name))

    def installed_srcversion(self):
        code, out, _err = self.module.run_command(["modinfo", "-F", "srcversion", self.name])
        return out.strip().splitlines()[-1] if code == 0 and out.strip() else None

    def other_params(self):
        wrong = []
        for key, wanted in sorted(self.module.params["params"].items()):
            shown = text("/sys/module/{0}/parameters/{1}".format(self.name, key))
            if not same(shown, wanted):
                wrong.append(key)
        return wrong

    def functions(self):
        vendor, device = ("0x" + part for part in self.module.params["pci_id"].lower().split(":"))
        found = []
        for folder in sorted(glob.glob("/sys/bus/pci/devices/*")):
            if (text(folder + "/vendor"), text(folder + "/device")) == (vendor, device):
                driver = folder + "/driver"
                bound = (
                    os.path.basename(os.path.realpath(driver)) if os.path.exists(driver) else None
                )
                found.append({"pci_address": os.path.basename(folder), "driver": bound})
        return found

    # --- what is done ---
    def act(self, command):
        self.actions.append(" ".join(command))
        if self.module.check_mode:
            return 0, "", ""
        return self.module.run_command(command)

    def load(self):
        code, _out, err = self.act(["modprobe", self.name])
        if code:
            raise Unusable(
                "{0} could not be loaded into kernel {1}: {2}".format(
                    self.name, os.uname()[2], err.strip() or "modprobe gave no reason"
                )
            )

    def unload(self):
        code, _out, err = self.act(["modprobe", "-r", self.name])
        if code:
            raise Unusable("{0} could not be taken out: {1}".format(self.name, err.strip()))

    def holders(self):
        """The units among the holders that are active now, each once, whatever its aliases."""
        active = []
        for unit in self.module.params["holders"]:
            code, out, _err = self.module.run_command(
                ["systemctl", "show", "-p", "Id", "-p", "ActiveState", unit]
            )
            shown = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
            if code == 0 and shown.get("ActiveState") == "active" and shown["Id"] not in active:
                active.append(shown["Id"])
        return active

    def without_holders(self, work):
        """Do the work while nobody holds the device; who did gets it back whatever happens."""
        held = self.holders()
        for unit in held:
            self.act(["systemctl", "stop", unit])
        try:
            work()
        finally:
            for unit in held:
                self.act(["systemctl", "start", unit])

    def reload(self):
        self.unload()
        self.load()
        # Who takes the device back at once must find its link, not an early chronyd a missing one.
        self.act(["udevadm", "settle", "--timeout", str(self.module.params["timeout_s"])])

    def bind(self):
        """Offer the functions that have no driver once more: what refused them may be over."""
        for function in self.functions():
            if function["driver"]:
                continue
            self.actions.append("bind {0}".format(function["pci_address"]))
            if self.module.check_mode:
                continue
            try:
                with open("/sys/bus/pci/drivers/{0}/bind".format(self.name), "w") as stream:
                    stream.write(function["pci_address"])
            except (IOError, OSError):
                pass  # told from the functions that stay unbound
        self.refuse_unbound()

    def refuse_unbound(self):
        if self.module.check_mode:
            return
        for function in self.functions():
            if function["driver"] == self.name:
                continue
            address = function["pci_address"]
            if function["driver"]:
                raise Unusable(
                    "function {0} is bound to {1}, not to {2}: unbind it first".format(
                        address, function["driver"], self.name
                    )
                )
            log = self.module.run_command(["dmesg"])[1]
            words = last_words(log, self.name, address)
            raise Unusable(
                "the driver {0} did not take function {1}: {2}; {3}".format(
                    self.name, address, words or "the kernel log gives no reason", advice(words)
                )
            )

    def link(self):
        if self.module.check_mode:
            return
        wanted = sorted(
            {
                link.replace("{pci_address}", function["pci_address"])
                for link in self.module.params["links"]
                for function in self.functions()
            }
        )
        missing = [link for link in wanted if not os.path.exists(link)]
        if not missing:
            return
        self.act(["udevadm", "trigger", "--subsystem-match=ptp"])
        end = time.time() + self.module.params["timeout_s"]
        while missing and time.time() < end:
            self.module.run_command(["udevadm", "settle", "--timeout", "5"])
            time.sleep(0.2)
            missing = [link for link in wanted if not os.path.exists(link)]
        if missing:
            raise Unusable(
                "the driver is bound, yet {0} did not appear in {1} s: "
                "see udevadm test on the clock's node in /sys/class/ptp".format(
                    ", ".join(missing), self.module.params["timeout_s"]
                )
            )

    # --- states ---
    def have_loaded(self):
        installed = self.installed_srcversion()
        if installed is None and not self.loaded() and not self.module.check_mode:
            raise Unusable(
                "{0} is not installed for the running kernel {1}: install it with "
                "cipu.clock.dkms first".format(self.name, os.uname()[2])
            )
        if not self.loaded():
            self.load()
            self.refuse_unbound()
        elif self.stale(installed):
            if not self.module.params["reload"]:
                return True
            self.without_holders(self.reload)
            self.refuse_unbound()
        else:
            self.bind()
        self.link()
        return False

    def stale(self, installed):
        differs = installed is not None and self.loaded_srcversion() != installed
        return differs or bool(self.other_params())

    def have_unloaded(self):
        if self.loaded():
            self.without_holders(self.unload)
        return False


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    # modinfo and modprobe lie in sbin, which a plain path may lack.
    module.run_command_environ_update = {
        "LC_ALL": "C",
        "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
    }
    work = Kmod(module)
    before = work.loaded_srcversion()
    failure, required = None, False
    try:
        required = (
            work.have_loaded() if module.params["state"] == "loaded" else work.have_unloaded()
        )
    except Unusable as reason:
        failure = str(reason)
    after = work.loaded_srcversion()
    result = {
        "changed": bool(work.actions),
        "actions": work.actions,
        "loaded_srcversion": after,
        "installed_srcversion": work.installed_srcversion(),
        "reload_required": required,
        "functions": work.functions(),
        "diff": {
            "before": "{0} {1}\n".format(work.name, before or "not loaded"),
            "after": "{0} {1}\n".format(work.name, after or "not loaded"),
        },
    }
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
