#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: host_record
short_description: Record the state of a host before a rollout changes it
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Records the files, systemd units, NTP servers and the driver of a host in a small JSON file,
    before anything is changed, so that a rollback can return the host to that state.
  - A record that exists is returned unchanged. A rollout that was interrupted and is run again
    therefore rolls back to the state before the first attempt.
  - The record is written atomically with mode 0600.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    support: full
    details: Returns the record that would be written.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) writes the record if there is none.
      - V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
  path:
    description: Absolute path of the record.
    type: path
    default: /var/lib/cipu-clock/before.json
  files:
    description:
      - Absolute paths of the files to record. The content of a file larger than 64 KiB is not
        recorded, only that the file exists.
    type: list
    elements: path
    default: []
  units:
    description:
      - Names of the systemd units whose state is recorded. The NTP servers of time daemons among
        them are recorded, too.
    type: list
    elements: str
    default: []
  driver:
    description: Name of the DKMS and kernel module whose versions are recorded.
    type: str
    default: ptp_cipu
seealso:
  - module: cipu.clock.file_tree
  - module: cipu.clock.dkms
"""

EXAMPLES = r"""
- name: Record the state before the first change
  cipu.clock.host_record:
    files: [/etc/chrony/chrony.conf]
    units: [chrony.service, systemd-timesyncd.service]
  register: host

- name: Remove the record after a successful rollout
  cipu.clock.host_record:
    state: absent
"""

RETURN = r"""
record:
  description: The record.
  returned: with O(state=present)
  type: dict
  contains:
    schema:
      description: Version of the format, 1.
      type: int
      sample: 1
    taken_at:
      description: Time of the record in UTC, by the clock of the host.
      type: str
      sample: "2026-01-01T00:00:00Z"
    files:
      description:
        - For each path, null if no file exists, or C(content) in base64 (null for a large file),
          C(mode), C(owner), C(group) and C(size_bytes).
        - A symbolic link also has C(link), its target; C(content) is that of the file it leads to.
      type: dict
      sample: {/etc/chrony/conf.d/cipu.conf: null}
    units:
      description: For each unit, its C(load), C(active) and C(enabled) state as systemd names it.
      type: dict
      sample: {chrony.service: {load: loaded, active: active, enabled: enabled}}
    servers:
      description:
        - NTP servers in the configuration of each time daemon among O(units) that runs, as lines
          for chrony. A record of an earlier version has none.
      type: dict
      sample: {timesyncd: [server ntp.example.org]}
    driver:
      description:
        - C(installed) is the version that DKMS installed for each kernel, C(loaded) whether the
          module is loaded, C(loaded_version) its version or null.
      type: dict
      sample: {installed: {"6.1.0-40-amd64": "0.1.0"}, loaded: true, loaded_version: "0.1.0"}
restore:
  description:
    - The recorded text files as O(cipu.clock.file_tree#module:files), which restores them.
  returned: with O(state=present)
  type: list
  elements: dict
  sample: [{path: /etc/modprobe.d/ptp_cipu.conf, state: absent}]
existing:
  description: Whether the record existed before this task.
  returned: always
  type: bool
  sample: false
"""

import base64
import errno
import grp
import json
import os
import pwd
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible_collections.cipu.clock.plugins.module_utils._dkms import status
from ansible_collections.cipu.clock.plugins.module_utils._host import commands, ntp_servers
from ansible_collections.cipu.clock.plugins.module_utils._host import units as time_units
from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable, write
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

SCHEMA = 1
CONTENT_LIMIT_BYTES = 64 * 1024
RECORD_LIMIT_BYTES = 4 * 1024 * 1024
PARTS = ("files", "units", "servers", "driver")
SYSTEMCTL_TIMEOUT_S = 60
UNIT_PROPERTIES = {"LoadState": "load", "ActiveState": "active", "UnitFileState": "enabled"}


class Unusable(Exception):
    """The host cannot be recorded, or the record cannot be used; the text says why."""


def file_state(path):
    """A file as it is restored: None, a link, or a regular file with its content."""
    try:
        status_of = os.lstat(path)
    except OSError as reason:
        if reason.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise Unusable("{0} cannot be read: {1}".format(path, reason.strerror))
    record = {
        "mode": "0{0:o}".format(stat.S_IMODE(status_of.st_mode)),
        "owner": _name(pwd.getpwuid, status_of.st_uid),
        "group": _name(grp.getgrgid, status_of.st_gid),
        "size_bytes": status_of.st_size,
        "content": None,
    }
    if stat.S_ISLNK(status_of.st_mode):
        record["link"] = os.readlink(path)
        if not os.path.isfile(path):
            return record
    elif not stat.S_ISREG(status_of.st_mode):
        raise Unusable("{0} is neither a regular file nor a symbolic link".format(path))
    try:
        with open(path, "rb") as stream:
            content = stream.read(CONTENT_LIMIT_BYTES + 1)
    except (IOError, OSError) as reason:
        raise Unusable("{0} cannot be read: {1}".format(path, reason.strerror))
    if len(content) <= CONTENT_LIMIT_BYTES:
        record["content"] = to_text(base64.b64encode(content))
    return record


def _name(look_up, number):
    try:
        return look_up(number)[0]
    except KeyError:
        return str(number)


def parse_units(text):
    """Output of `systemctl show` -> unit -> its states."""
    units = {}
    for block in text.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        name = (fields.get("Names") or fields.get("Id", "")).split()
        states = {
            key: fields.get(property_name, "") for property_name, key in UNIT_PROPERTIES.items()
        }
        for alias in name:
            units[alias] = states
    return units


def unit_states(names, tree=None, run=commands.run, which=commands.which):
    """The state of each unit; all are not-found where systemd does not run."""
    missing = {"load": "not-found", "active": "inactive", "enabled": ""}
    systemctl = which("systemctl")
    if not names or systemctl is None or not (tree or Tree()).is_dir("/run/systemd/system"):
        return dict.fromkeys(names, missing)
    properties = ",".join(["Id", "Names"] + sorted(UNIT_PROPERTIES))
    outcome = run([systemctl, "show", "-p", properties, "--"] + names, SYSTEMCTL_TIMEOUT_S)
    if not outcome.ok:
        raise Unusable("systemctl does not show the units: {0}".format(outcome.error_line()))
    shown = parse_units(outcome.out)
    return {name: shown.get(name, missing) for name in names}


def former_servers(tree, states):
    """NTP servers of each daemon that runs. A switch to chrony may remove its configuration."""
    running = {
        time_units.daemon(unit)
        for unit, state in states.items()
        if state["active"] in time_units.RUNNING
    }
    servers = {name: ntp_servers.of_daemons(tree, [name]) for name in running if name}
    return {name: lines for name, lines in servers.items() if lines}


def driver_state(tree, name):
    records = status.read_tree(tree, name)
    loaded = tree.is_dir("/sys/module/" + name)
    return {
        "installed": {
            record["kernel"]: record["version"]
            for record in records
            if record["state"] == "installed" and record["kernel"]
        },
        "loaded": loaded,
        "loaded_version": tree.line("/sys/module/{0}/version".format(name)) if loaded else None,
    }


def take(params):
    states = unit_states(params["units"])
    return {
        "schema": SCHEMA,
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": {path: file_state(path) for path in params["files"]},
        "units": states,
        "servers": former_servers(Tree(), states),
        "driver": driver_state(Tree(), params["driver"]),
    }


def load(path):
    """The record, or None if there is none. One that cannot be used is an error."""
    advice = "restore the host by hand and remove the file, or run the version that wrote it"
    try:
        status_of = os.lstat(path)
        if not stat.S_ISREG(status_of.st_mode):
            raise Unusable("{0} is not a regular file; nothing was changed".format(path))
        with open(path, "rb") as stream:
            data = stream.read(RECORD_LIMIT_BYTES + 1)
    except (IOError, OSError) as reason:
        if reason.errno == errno.ENOENT:
            return None
        raise Unusable("{0} cannot be read: {1}".format(path, reason.strerror))
    try:
        record = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unusable("{0} is corrupt and nothing was changed; {1}".format(path, advice))
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise Unusable(
            "{0} has schema {1}, not {2}, and nothing was changed; {3}".format(
                path, json.dumps(schema), SCHEMA, advice
            )
        )
    record.setdefault("servers", {})
    if not all(isinstance(record.get(part), dict) for part in PARTS):
        raise Unusable("{0} is incomplete and nothing was changed; {1}".format(path, advice))
    return record


def restorable(record):
    """The files as options of cipu.clock.file_tree, without those that are not text."""
    files = []
    for path, former in sorted(record["files"].items()):
        if former is None:
            files.append({"path": path, "state": "absent"})
            continue
        try:
            content = base64.b64decode(former["content"] or b"").decode("utf-8")
        except (KeyError, TypeError, ValueError):
            continue
        if former["content"] is not None:
            files.append({"path": path, "content": content, "mode": former.get("mode", "0644")})
    return files


def remove(path):
    """Removes the record, and its folder when nothing else is in it."""
    os.unlink(path)
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass


def run(module):
    params = module.params
    path = params["path"]
    for name in [path] + params["files"]:
        if not os.path.isabs(name):
            raise Unusable("{0} is not an absolute path".format(name))
    if params["state"] == "absent":
        existing = os.path.lexists(path)
        if existing and not stat.S_ISREG(os.lstat(path).st_mode):
            raise Unusable("{0} is not a regular file; nothing was changed".format(path))
        if existing and not module.check_mode:
            remove(path)
        return {"changed": existing, "existing": existing}
    record = load(path)
    if record is not None:
        return result(record, existing=True)
    record = take(params)
    if not module.check_mode:
        write(module, path, to_bytes(json.dumps(record, indent=1, sort_keys=True) + "\n"), 0o600)
    return result(record, existing=False)


def result(record, existing):
    restore = restorable(record)
    return {"changed": not existing, "existing": existing, "record": record, "restore": restore}


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "path": {"type": "path", "default": "/var/lib/cipu-clock/before.json"},
            "files": {"type": "list", "elements": "path", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "driver": {"type": "str", "default": "ptp_cipu"},
        },
        supports_check_mode=True,
    )
    try:
        outcome = run(module)
    except (Unusable, Unwritable, OSError) as reason:
        module.fail_json(msg="host_record: {0}".format(reason))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
